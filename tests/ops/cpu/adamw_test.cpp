#include "ops/cpu/adamw.h"

#include <limits>

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

class AdamWKernelTest : public testing::TestWithParam<std::int64_t> {
 protected:
  static constexpr int kSteps = 5;
  static constexpr float kScale = 0.5F;
  const std::int64_t count = GetParam();
  const Floats weight = normal_values(count, "weight");

  Floats gradient(int step) const { return normal_values(count, fmt::format("gradient {}", step)); }
};

INSTANTIATE_TEST_SUITE_P(Counts, AdamWKernelTest, testing::Values(1, 7, 64, 16384 + 9));

TEST_P(AdamWKernelTest, FollowsAlgorithm2) {
  constexpr AdamWStep kStep{.learning_rate = 0.01F,
                            .beta1 = 0.9F,
                            .beta2 = 0.95F,
                            .epsilon = 1e-8F,
                            .weight_decay = 0.1F,
                            .step = 0};
  Doubles expected = to_doubles(weight);
  Doubles m(weight.size());
  Doubles v(weight.size());
  for (int step = 1; step <= kSteps; ++step) {
    const Floats g = gradient(step);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double scaled = 0.5 * static_cast<double>(g[i]);
      m[i] = 0.9 * m[i] + 0.1 * scaled;
      v[i] = 0.95 * v[i] + 0.05 * scaled * scaled;
      const double m_hat = m[i] / (1.0 - std::pow(0.9, step));
      const double v_hat = v[i] / (1.0 - std::pow(0.95, step));
      expected[i] -= 0.01 * (m_hat / (std::sqrt(v_hat) + 1e-8) + 0.1 * expected[i]);
    }
  }
  on_every_target(
      weight,
      [&](Team& team, float* w) {
        Floats moment1(weight.size());
        Floats moment2(weight.size());
        for (int step = 1; step <= kSteps; ++step) {
          AdamWStep now = kStep;
          now.step = step;
          Floats g = gradient(step);
          now.zero_gradient = step % 2 == 0;
          adamw(team, w, moment1.data(), moment2.data(), g.data(), &kScale, now, count);
          EXPECT_EQ(g, now.zero_gradient ? Floats(g.size(), 0.0F) : gradient(step));
        }
      },
      [&](const Floats& result) { expect_close(result, expected, 2e-6); });
}

TEST_P(AdamWKernelTest, UpdatesNothingWhenTheScaleIsNotFinite) {
  for (const float scale :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const bool zero : {true, false}) {
      Team team(1);
      Floats w = weight;
      Floats state(weight.size(), 0.25F);
      Floats state2(weight.size(), 0.5F);
      Floats g = gradient(0);
      adamw(team, w.data(), state.data(), state2.data(), g.data(), &scale, {.zero_gradient = zero},
            count);
      EXPECT_EQ(w, weight);
      EXPECT_EQ(state, Floats(weight.size(), 0.25F));
      EXPECT_EQ(state2, Floats(weight.size(), 0.5F));
      EXPECT_EQ(g, zero ? Floats(weight.size(), 0.0F) : gradient(0));
    }
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
