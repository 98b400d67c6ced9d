#include "lockflight/ops/reduce.h"

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class ReduceTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, ReduceTest, test::all_backends(), test::backend_name);

TEST_P(ReduceTest, AddsTheSumsOfColumns) {
  for (const auto& [N, C] : {Extents{1, 1}, Extents{63, 5}, Extents{64, 16}, Extents{131, 37},
                             Extents{5001, 3}, Extents{2, 1031}}) {
    SCOPED_TRACE(N);
    const Floats x = normal_values(N * C, "x");
    Doubles expected(static_cast<std::size_t>(C), 0.5);
    for (std::size_t i = 0; i < x.size(); ++i) {
      expected[i % expected.size()] += static_cast<double>(x[i]);
    }
    expect_in_every_way(expected, 1e-5, [&, N = N, C = C] {
      const TensorView sums = filled({C}, 0.5F);
      column_sum(stream(), sums, tensor({1, N, C}, x));
      return values(sums);
    });
  }
}

TEST_P(ReduceTest, FindsTheMeanInDouble) {
  Floats x(4096, 0.1F);
  x[0] = 1e7F;
  const double expected = (1e7 + 4095 * static_cast<double>(0.1F)) / 4096;
  in_every_way(
      [&] {
        const TensorView result = unset({});
        mean(stream(), result, tensor({64, 64}, x));
        return values(result);
      },
      [&](const Floats& result) { EXPECT_FLOAT_EQ(result.front(), static_cast<float>(expected)); });
}

TEST_P(ReduceTest, AddsUpSquaresInDouble) {
  for (const std::int64_t count : {1, 2, 15, 16, 17, 97, 16384, 16384 * 2 + 3}) {
    SCOPED_TRACE(count);
    const Floats x = normal_values(count, "x");
    double expected = 0.0;
    for (const float value : x) {
      expected += static_cast<double>(value) * static_cast<double>(value);
    }
    in_every_way(
        [&] {
          const TensorView result = unset({}, DType::f64);
          sum_of_squares(stream(), result, tensor({count}, x));
          return values<double>(result);
        },
        [&](const Doubles& result) { EXPECT_NEAR(result.front() / expected, 1.0, 1e-13); });
  }
}

}  // namespace
}  // namespace lockflight::ops
