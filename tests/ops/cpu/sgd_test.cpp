#include "ops/cpu/sgd.h"

#include <limits>

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

class SgdKernelTest : public testing::TestWithParam<std::int64_t> {
 protected:
  static constexpr int kSteps = 5;
  static constexpr float kScale = 0.5F;
  const std::int64_t count = GetParam();
  const Floats weight = normal_values(count, "weight");

  Floats gradient(int step) const { return normal_values(count, fmt::format("gradient {}", step)); }
};

INSTANTIATE_TEST_SUITE_P(Counts, SgdKernelTest, testing::Values(1, 7, 64, 16384 + 9));

TEST_P(SgdKernelTest, FollowsTheRuleOfMomentum) {
  constexpr SgdStep kStep{.learning_rate = 0.1F, .momentum = 0.9F, .weight_decay = 0.01F};
  Doubles expected = to_doubles(weight);
  Doubles velocity(weight.size());
  for (int step = 1; step <= kSteps; ++step) {
    const Floats g = gradient(step);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      velocity[i] = 0.9 * velocity[i] + 0.5 * static_cast<double>(g[i]) + 0.01 * expected[i];
      expected[i] -= 0.1 * velocity[i];
    }
  }
  on_every_target(
      weight,
      [&](Team& team, float* w) {
        Floats momentum(weight.size());
        for (int step = 1; step <= kSteps; ++step) {
          Floats g = gradient(step);
          SgdStep now = kStep;
          now.zero_gradient = step % 2 == 0;
          sgd(team, w, momentum.data(), g.data(), &kScale, now, count);
          EXPECT_EQ(g, now.zero_gradient ? Floats(g.size(), 0.0F) : gradient(step));
        }
      },
      [&](const Floats& result) { expect_close(result, expected, 2e-6); });
}

TEST_P(SgdKernelTest, UpdatesNothingWhenTheScaleIsNotFinite) {
  for (const float scale :
       {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity()}) {
    for (const bool zero : {true, false}) {
      Team team(1);
      Floats w = weight;
      Floats state(weight.size(), 0.25F);
      Floats g = gradient(0);
      sgd(team, w.data(), state.data(), g.data(), &scale, {.zero_gradient = zero}, count);
      EXPECT_EQ(w, weight);
      EXPECT_EQ(state, Floats(weight.size(), 0.25F));
      EXPECT_EQ(g, zero ? Floats(weight.size(), 0.0F) : gradient(0));
    }
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
