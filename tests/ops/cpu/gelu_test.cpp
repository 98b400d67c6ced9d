#include "ops/cpu/gelu.h"

#include <numbers>

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

double gelu_in_double(double x) {
  const double u = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(u));
}

double gelu_slope_in_double(double x) {
  constexpr double kStep = 1e-5;
  return (gelu_in_double(x + kStep) - gelu_in_double(x - kStep)) / (2.0 * kStep);
}

class GeluKernelTest : public testing::TestWithParam<MatrixShape> {
 protected:
  const MatrixShape shape = GetParam();
  const std::int64_t count = shape.rows * shape.columns;
  const Floats x = normal_values(count, "x", 3.0);
  const Floats dy = normal_values(count, "dy");
  const Floats bias = normal_values(shape.columns, "bias");

  double biased(std::int64_t i) const {
    return static_cast<double>(x[i] + bias[i % shape.columns]);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, GeluKernelTest,
                         testing::Values(MatrixShape{1, 1}, MatrixShape{3, 7}, MatrixShape{64, 16},
                                         MatrixShape{131, 257}));

TEST_P(GeluKernelTest, AgreesWithTheFormula) {
  Doubles expected;
  for (const float value : x) {
    expected.push_back(gelu_in_double(static_cast<double>(value)));
  }
  expect_on_every_target(expected, 1e-6,
                         [&](Team& team, float* y) { gelu(team, y, x.data(), nullptr, shape); });
}

TEST_P(GeluKernelTest, AddsTheBiasFirst) {
  Doubles expected;
  for (std::int64_t i = 0; i < count; ++i) {
    expected.push_back(gelu_in_double(biased(i)));
  }
  expect_on_every_target(
      expected, 1e-6, [&](Team& team, float* y) { gelu(team, y, x.data(), bias.data(), shape); });
}

TEST_P(GeluKernelTest, FindsItsSlope) {
  Doubles expected;
  for (std::int64_t i = 0; i < count; ++i) {
    expected.push_back(static_cast<double>(dy[i]) *
                       gelu_slope_in_double(static_cast<double>(x[i])));
  }
  expect_on_every_target(expected, 2e-6, [&](Team& team, float* dx) {
    gelu_backward(team, dx, dy.data(), x.data(), shape);
  });
}

TEST_P(GeluKernelTest, FindsTheGradientOfInputAndBiasInOnePass) {
  Doubles expected;
  for (std::int64_t i = 0; i < count; ++i) {
    expected.push_back(static_cast<double>(dy[i]) * gelu_slope_in_double(biased(i)));
  }
  Doubles dbias(static_cast<std::size_t>(shape.columns), 0.5);
  for (std::int64_t i = 0; i < count; ++i) {
    dbias[i % shape.columns] += expected[i];
  }
  expected.insert(expected.end(), dbias.begin(), dbias.end());
  expect_on_every_target(
      expected, 2e-5,
      [&](Team& team, float* dx) {
        bias_gelu_backward(team, dx, dx + count, dy.data(), x.data(), bias.data(), shape);
      },
      0.5F);
}

TEST(GeluKernelTest, KeepsItsRelativeAccuracyFarFromZeroAndPassesNaNOn) {
  const Floats x = {-9.0F, -8.0F, -6.0F, -4.0F, -1e-20F, 0.0F, 1e-20F, 6.0F, 1e5F, -1e5F, NAN};
  Team team(1);
  Floats y(x.size());
  gelu(team, y.data(), x.data(), nullptr, {.rows = 1, .columns = std::ssize(x)});
  for (std::size_t i = 0; i < 9; ++i) {
    // x / (1 + e^(-2u)) does not lose the digits that 1 + tanh(u) loses in double already.
    const double value = static_cast<double>(x[i]);
    const double u = std::sqrt(2.0 / std::numbers::pi) * (value + 0.044715 * value * value * value);
    const double expected = value / (1.0 + std::exp(-2.0 * u));
    EXPECT_NEAR(static_cast<double>(y[i]), expected, 1e-5 * std::abs(expected)) << x[i];
  }
  EXPECT_NEAR(y[9], 0.0F, 1e-30F);
  EXPECT_TRUE(std::isnan(y[10]));
}

}  // namespace
}  // namespace lockflight::ops::cpu
