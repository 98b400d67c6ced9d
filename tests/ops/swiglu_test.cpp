#include "lockflight/ops/swiglu.h"

#include <array>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

double silu(double gate) { return gate / (1.0 + std::exp(-gate)); }

double silu_slope(double gate) {
  constexpr double kStep = 1e-5;
  return (silu(gate + kStep) - silu(gate - kStep)) / (2.0 * kStep);
}

// N rows of F gates and F values of up.
struct SwigluInputs {
  explicit SwigluInputs(Extents extents)
      : N(extents.rows),
        F(extents.columns),
        x(normal_values(2 * N * F, "x", 3.0)),
        dy(normal_values(N * F, "dy")) {}

  double gate(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * 2 * F + j]);
  }
  double up(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * 2 * F + F + j]);
  }

  std::int64_t N;
  std::int64_t F;
  Floats x;
  Floats dy;
};

class SwigluTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, SwigluTest, test::all_backends(), test::backend_name);

TEST_P(SwigluTest, MultipliesUpByTheGate) {
  for (const Extents extents : kActivationExtents) {
    const SwigluInputs in(extents);
    SCOPED_TRACE(in.F);
    Doubles expected;
    for (std::int64_t i = 0; i < in.N; ++i) {
      for (std::int64_t j = 0; j < in.F; ++j) {
        expected.push_back(silu(in.gate(i, j)) * in.up(i, j));
      }
    }
    expect_in_every_way(expected, 1e-6, [&] {
      const TensorView y = unset({1, in.N, in.F});
      swiglu(stream(), y, tensor({in.N, 1, 2 * in.F}, in.x));
      return values(y);
    });
  }
}

TEST_P(SwigluTest, FindsTheGradientsOfGateAndUp) {
  for (const Extents extents : kActivationExtents) {
    const SwigluInputs in(extents);
    SCOPED_TRACE(in.F);
    Doubles expected(in.x.size());
    for (std::int64_t i = 0; i < in.N; ++i) {
      for (std::int64_t j = 0; j < in.F; ++j) {
        const double gradient = static_cast<double>(in.dy[i * in.F + j]);
        expected[i * 2 * in.F + j] = gradient * in.up(i, j) * silu_slope(in.gate(i, j));
        expected[i * 2 * in.F + in.F + j] = gradient * silu(in.gate(i, j));
      }
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 2e-6, [&] {
        const TensorView x = tensor({in.N, 2 * in.F}, in.x);
        const TensorView dx = in_place ? x : unset(x.shape());
        swiglu_backward(stream(), dx, tensor({in.N, in.F}, in.dy), x);
        return values(dx);
      });
    }
  }
}

TEST_P(SwigluTest, KeepsItsRelativeAccuracyFarFromZeroAndPassesNaNOn) {
  const Floats gates = {-80.0F, -20.0F, -4.0F, -1e-20F, 0.0F, 1e-20F, 6.0F, 1e5F, -1e5F, NAN};
  const TensorView x = tensor({2 * std::ssize(gates)}, joined(gates, Floats(gates.size(), 1.0F)));
  const TensorView out = unset({std::ssize(gates)});
  swiglu(stream(), out, x);
  const Floats y = values(out);
  for (std::size_t i = 0; i < 8; ++i) {
    const double expected = silu(static_cast<double>(gates[i]));
    EXPECT_NEAR(static_cast<double>(y[i]), expected, 1e-5 * std::abs(expected)) << gates[i];
  }
  EXPECT_NEAR(y[8], 0.0F, 1e-30F);
  EXPECT_TRUE(std::isnan(y[9]));
}

}  // namespace
}  // namespace lockflight::ops
