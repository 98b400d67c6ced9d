#include "lockflight/ops/sgd.h"

#include <limits>

#include "ops/gradients.h"
#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class SgdTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, SgdTest, test::all_backends(), test::backend_name);

TEST_P(SgdTest, FollowsTheRuleOfMomentum) {
  for (const std::int64_t count : kCounts) {
    SCOPED_TRACE(count);
    const Floats weight = normal_values(count, "weight");
    Doubles expected = to_doubles(weight);
    Doubles velocity(weight.size());
    for (int step = 1; step <= kSteps; ++step) {
      const Floats g = gradient(count, step);
      for (std::size_t i = 0; i < expected.size(); ++i) {
        velocity[i] = 0.9 * velocity[i] + 0.5 * static_cast<double>(g[i]) + 0.01 * expected[i];
        expected[i] -= 0.1 * velocity[i];
      }
    }
    expect_in_every_way(expected, 2e-6, [&] {
      const TensorView w = tensor({count}, weight);
      const TensorView v = filled({count}, 0.0F);
      const TensorView half = filled({}, 0.5F);
      for (int step = 1; step <= kSteps; ++step) {
        const Floats g = gradient(count, step);
        const TensorView dw = tensor({count}, g);
        const bool zero = step % 2 == 0;
        sgd(stream(), w, v, dw, half,
            {.learning_rate = 0.1F,
             .momentum = 0.9F,
             .weight_decay = 0.01F,
             .zero_gradient = zero});
        EXPECT_EQ(values(dw), zero ? Floats(g.size(), 0.0F) : g);
      }
      return values(w);
    });
  }
}

TEST_P(SgdTest, UpdatesNothingWhenTheScaleIsNotFinite) {
  for (const std::int64_t count : kCounts) {
    const Floats weight = normal_values(count, "weight");
    for (const float scale :
         {std::numeric_limits<float>::quiet_NaN(), std::numeric_limits<float>::infinity(),
          -std::numeric_limits<float>::infinity()}) {
      for (const bool zero : {true, false}) {
        const TensorView w = tensor({count}, weight);
        const TensorView v = filled({count}, 0.25F);
        const TensorView dw = tensor({count}, gradient(count, 0));
        sgd(stream(), w, v, dw, filled({}, scale), {.zero_gradient = zero});
        EXPECT_EQ(values(w), weight);
        EXPECT_EQ(values(v), Floats(weight.size(), 0.25F));
        EXPECT_EQ(values(dw), zero ? Floats(weight.size(), 0.0F) : gradient(count, 0));
      }
    }
  }
}

}  // namespace
}  // namespace lockflight::ops
