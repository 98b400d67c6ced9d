#include "ops/cpu/reduce.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

TEST(ColumnSumKernelTest, AddsTheSumsOfColumns) {
  for (const MatrixShape shape : {MatrixShape{1, 1}, MatrixShape{63, 5}, MatrixShape{64, 16},
                                  MatrixShape{131, 37}, MatrixShape{5001, 3}}) {
    const Floats x = normal_values(shape.rows * shape.columns, "x");
    Doubles expected(static_cast<std::size_t>(shape.columns), 0.5);
    for (std::int64_t i = 0; i < shape.rows * shape.columns; ++i) {
      expected[i % shape.columns] += static_cast<double>(x[i]);
    }
    expect_on_every_target(
        expected, 1e-5, [&](Team& team, float* sums) { column_sum(team, sums, x.data(), shape); },
        0.5F);
  }
}

TEST(MeanKernelTest, AddsUpInDouble) {
  Floats x(4096, 0.1F);
  x[0] = 1e7F;
  Team team(1);
  EXPECT_FLOAT_EQ(mean(team, x.data(), std::ssize(x)),
                  static_cast<float>((1e7 + 4095 * static_cast<double>(0.1F)) / 4096));
}

class SumOfSquaresKernelTest : public testing::TestWithParam<std::int64_t> {};

INSTANTIATE_TEST_SUITE_P(Counts, SumOfSquaresKernelTest,
                         testing::Values(1, 2, 15, 16, 17, 97, 16384, 16384 * 2 + 3));

TEST_P(SumOfSquaresKernelTest, AddsUpInDouble) {
  const std::int64_t count = GetParam();
  const Floats x = normal_values(count, "x");
  double expected = 0.0;
  for (const float value : x) {
    expected += static_cast<double>(value) * static_cast<double>(value);
  }
  expect_on_every_target({1.0}, 1e-6, [&](Team& team, float* ratio) {
    const double sum = sum_of_squares(team, x.data(), count);
    EXPECT_NEAR(sum / expected, 1.0, 1e-13);
    *ratio = static_cast<float>(sum / expected);
  });
  Team one(1);
  Team three(3);
  EXPECT_EQ(sum_of_squares(one, x.data(), count), sum_of_squares(three, x.data(), count));
}

}  // namespace
}  // namespace lockflight::ops::cpu
