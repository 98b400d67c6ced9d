#include "lockflight/ops/adamw.h"

#include <cmath>
#include <limits>

#include "ops/gradients.h"
#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class AdamWTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, AdamWTest, test::all_backends(), test::backend_name);

Doubles after_algorithm_2(const Floats& weight) {
  Doubles expected = to_doubles(weight);
  Doubles m(weight.size());
  Doubles v(weight.size());
  for (int step = 1; step <= kSteps; ++step) {
    const Floats g = gradient(std::ssize(weight), step);
    for (std::size_t i = 0; i < expected.size(); ++i) {
      const double scaled = 0.5 * static_cast<double>(g[i]);
      m[i] = 0.9 * m[i] + 0.1 * scaled;
      v[i] = 0.95 * v[i] + 0.05 * scaled * scaled;
      const double m_hat = m[i] / (1.0 - std::pow(0.9, step));
      const double v_hat = v[i] / (1.0 - std::pow(0.95, step));
      expected[i] -= 0.01 * (m_hat / (std::sqrt(v_hat) + 1e-8) + 0.1 * expected[i]);
    }
  }
  return expected;
}

TEST_P(AdamWTest, FollowsAlgorithm2) {
  for (const std::int64_t count : kCounts) {
    SCOPED_TRACE(count);
    const Floats weight = normal_values(count, "weight");
    expect_in_every_way(after_algorithm_2(weight), 2e-6, [&] {
      const TensorView w = tensor({count}, weight);
      const TensorView m = filled({count}, 0.0F);
      const TensorView v = filled({count}, 0.0F);
      const TensorView half = filled({}, 0.5F);
      for (int step = 1; step <= kSteps; ++step) {
        const Floats g = gradient(count, step);
        const TensorView dw = tensor({count}, g);
        const bool zero = step % 2 == 0;
        adamw(stream(), w, m, v, dw, half,
              {.learning_rate = 0.01F,
               .beta1 = 0.9F,
               .beta2 = 0.95F,
               .epsilon = 1e-8F,
               .weight_decay = 0.1F,
               .step = step,
               .zero_gradient = zero});
        EXPECT_EQ(values(dw), zero ? Floats(g.size(), 0.0F) : g);
      }
      return values(w);
    });
  }
}

TEST_P(AdamWTest, UpdatesNothingWhenTheScaleIsNotFinite) {
  for (const std::int64_t count : kCounts) {
    const Floats weight = normal_values(count, "weight");
    for (const float scale :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      for (const bool zero : {true, false}) {
        const TensorView w = tensor({count}, weight);
        const TensorView m = filled({count}, 0.25F);
        const TensorView v = filled({count}, 0.5F);
        const TensorView dw = tensor({count}, gradient(count, 0));
        adamw(stream(), w, m, v, dw, filled({}, scale), {.zero_gradient = zero});
        EXPECT_EQ(values(w), weight);
        EXPECT_EQ(values(m), Floats(weight.size(), 0.25F));
        EXPECT_EQ(values(v), Floats(weight.size(), 0.5F));
        EXPECT_EQ(values(dw), zero ? Floats(weight.size(), 0.0F) : gradient(count, 0));
      }
    }
  }
}

}  // namespace
}  // namespace lockflight::ops
