#include "lockflight/ops/mean_squared_error.h"

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class MeanSquaredErrorTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, MeanSquaredErrorTest, test::all_backends(), test::backend_name);

TEST_P(MeanSquaredErrorTest, FindsTheMeanAndItsGradient) {
  for (const std::int64_t count : {1, 2, 17, 16384 * 2 + 3}) {
    SCOPED_TRACE(count);
    const Floats x = normal_values(count, "x");
    const Floats y = normal_values(count, "y");
    const auto n = static_cast<double>(count);
    Doubles expected;
    double loss = 0.0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      expected.push_back(3.0 * 2.0 * difference / n);
      loss += difference * difference / n;
    }
    expected.push_back(loss);
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 1e-6, [&] {
        const TensorView prediction = tensor({count}, x);
        const TensorView target = tensor({count}, y);
        const TensorView alone = unset({});
        mean_squared_error(stream(), alone, {}, prediction, target, 3.0F);
        const TensorView with_gradient = unset({});
        const TensorView dx = in_place ? prediction : unset({count});
        mean_squared_error(stream(), with_gradient, dx, prediction, target, 3.0F);
        EXPECT_EQ(values(alone), values(with_gradient));
        return values_of({dx, with_gradient});
      });
    }
  }
}

}  // namespace
}  // namespace lockflight::ops
