#include "ops/cpu/elementwise.h"

#include "ops/cpu/column_sum.h"
#include "ops/cpu/kernel_checks.h"
#include "ops/cpu/norm.h"

namespace lockflight::ops::cpu {
namespace {

class ElementwiseKernelTest : public testing::TestWithParam<std::int64_t> {
 protected:
  const std::int64_t count = GetParam();
  const Floats x = normal_values(count, "x");
  const Floats y = normal_values(count, "y");

  template <class Formula>
  Doubles each(const Formula& formula) const {
    Doubles result;
    for (std::int64_t i = 0; i < count; ++i) {
      result.push_back(formula(static_cast<double>(x[i]), static_cast<double>(y[i])));
    }
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(Counts, ElementwiseKernelTest,
                         testing::Values(1, 2, 15, 16, 17, 97, 16384, 16384 * 2 + 3));

TEST_P(ElementwiseKernelTest, Adds) {
  expect_on_every_target(each([](double a, double b) { return a + b; }), 1e-7,
                         [&](Team& team, float* z) { add(team, z, x.data(), y.data(), count); });
}

TEST_P(ElementwiseKernelTest, Scales) {
  expect_on_every_target(each([](double a, double) { return 0.7 * a; }), 1e-7,
                         [&](Team& team, float* z) { scale(team, z, x.data(), 0.7F, count); });
}

TEST_P(ElementwiseKernelTest, Accumulates) {
  expect_on_every_target(
      each([](double a, double) { return 0.5 + 0.7 * a; }), 1e-7,
      [&](Team& team, float* z) { accumulate_scaled(team, z, x.data(), 0.7F, count); }, 0.5F);
}

TEST_P(ElementwiseKernelTest, CopiesAndFills) {
  expect_on_every_target(each([](double a, double) { return a; }), 0.0,
                         [&](Team& team, float* z) { copy(team, z, x.data(), count); });
  expect_on_every_target(each([](double, double) { return 0.25; }), 0.0,
                         [&](Team& team, float* z) { fill(team, z, 0.25F, count); });
}

TEST_P(ElementwiseKernelTest, SumsSquaresInDouble) {
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

TEST_P(ElementwiseKernelTest, FindsTheMeanSquaredErrorAndItsGradient) {
  Doubles expected =
      each([this](double a, double b) { return 3.0 * 2.0 * (a - b) / static_cast<double>(count); });
  double loss = 0.0;
  for (const double square : each([](double a, double b) { return (a - b) * (a - b); })) {
    loss += square / static_cast<double>(count);
  }
  expected.push_back(loss);
  expect_on_every_target(expected, 1e-6, [&](Team& team, float* dx) {
    dx[count] = static_cast<float>(mean_squared_error(team, dx, x.data(), y.data(), 3.0F, count));
    EXPECT_EQ(dx[count], static_cast<float>(
                             mean_squared_error(team, nullptr, x.data(), y.data(), 3.0F, count)));
  });
}

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

}  // namespace
}  // namespace lockflight::ops::cpu
