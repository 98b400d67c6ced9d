#include "ops/cpu/swiglu.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

double silu(double gate) { return gate / (1.0 + std::exp(-gate)); }

double silu_slope(double gate) {
  constexpr double kStep = 1e-5;
  return (silu(gate + kStep) - silu(gate - kStep)) / (2.0 * kStep);
}

class SwigluKernelTest : public testing::TestWithParam<MatrixShape> {
 protected:
  const MatrixShape shape = GetParam();
  const std::int64_t N = shape.rows;
  const std::int64_t F = shape.columns;
  const Floats x = normal_values(2 * N * F, "x", 3.0);
  const Floats dy = normal_values(N * F, "dy");

  double gate(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * 2 * F + j]);
  }
  double up(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * 2 * F + F + j]);
  }
};

INSTANTIATE_TEST_SUITE_P(Shapes, SwigluKernelTest,
                         testing::Values(MatrixShape{1, 1}, MatrixShape{3, 7}, MatrixShape{64, 16},
                                         MatrixShape{131, 257}));

TEST_P(SwigluKernelTest, MultipliesUpByTheGate) {
  Doubles expected;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < F; ++j) {
      expected.push_back(silu(gate(i, j)) * up(i, j));
    }
  }
  expect_on_every_target(expected, 1e-6,
                         [&](Team& team, float* y) { swiglu(team, y, x.data(), shape); });
}

TEST_P(SwigluKernelTest, FindsTheGradientsOfGateAndUp) {
  Doubles expected(x.size());
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < F; ++j) {
      const double gradient = static_cast<double>(dy[i * F + j]);
      expected[i * 2 * F + j] = gradient * up(i, j) * silu_slope(gate(i, j));
      expected[i * 2 * F + F + j] = gradient * silu(gate(i, j));
    }
  }
  expect_on_every_target(expected, 2e-6, [&](Team& team, float* dx) {
    swiglu_backward(team, dx, dy.data(), x.data(), shape);
  });
}

TEST_P(SwigluKernelTest, MayWriteTheGradientOverItsInput) {
  Team team(1);
  Floats dx(x.size());
  swiglu_backward(team, dx.data(), dy.data(), x.data(), shape);
  Floats in_place = x;
  swiglu_backward(team, in_place.data(), dy.data(), in_place.data(), shape);
  EXPECT_EQ(in_place, dx);
}

TEST(SwigluKernelTest, KeepsItsRelativeAccuracyFarFromZeroAndPassesNaNOn) {
  const Floats gates = {-80.0F, -20.0F, -4.0F, -1e-20F, 0.0F, 1e-20F, 6.0F, 1e5F, -1e5F, NAN};
  Floats x = gates;
  x.resize(2 * gates.size(), 1.0F);
  Team team(1);
  Floats y(gates.size());
  swiglu(team, y.data(), x.data(), {.rows = 1, .columns = std::ssize(gates)});
  for (std::size_t i = 0; i < 8; ++i) {
    const double expected = silu(static_cast<double>(gates[i]));
    EXPECT_NEAR(static_cast<double>(y[i]), expected, 1e-5 * std::abs(expected)) << gates[i];
  }
  EXPECT_NEAR(y[8], 0.0F, 1e-30F);
  EXPECT_TRUE(std::isnan(y[9]));
}

}  // namespace
}  // namespace lockflight::ops::cpu
