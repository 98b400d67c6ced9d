#include "lockflight/ops/gelu.h"

#include <array>
#include <numbers>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

double gelu_in_double(double x) {
  const double u = std::sqrt(2.0 / std::numbers::pi) * (x + 0.044715 * x * x * x);
  return 0.5 * x * (1.0 + std::tanh(u));
}

double gelu_slope_in_double(double x) {
  constexpr double kStep = 1e-5;
  return (gelu_in_double(x + kStep) - gelu_in_double(x - kStep)) / (2.0 * kStep);
}

// N rows of C columns.
struct GeluInputs {
  explicit GeluInputs(Extents extents)
      : shape{extents.rows, extents.columns},
        x(normal_values(shape.elements(), "x", 3.0)),
        dy(normal_values(shape.elements(), "dy")),
        bias(normal_values(extents.columns, "bias")) {}

  double biased(std::size_t i) const { return static_cast<double>(x[i] + bias[i % bias.size()]); }

  Shape shape;
  Floats x;
  Floats dy;
  Floats bias;
};

class GeluTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, GeluTest, test::all_backends(), test::backend_name);

TEST_P(GeluTest, AgreesWithTheFormula) {
  for (const Extents extents : kActivationExtents) {
    const GeluInputs in(extents);
    SCOPED_TRACE(to_string(in.shape));
    Doubles expected;
    for (const float value : in.x) {
      expected.push_back(gelu_in_double(static_cast<double>(value)));
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 1e-6, [&] {
        const TensorView x = tensor(in.shape, in.x);
        const TensorView y = in_place ? x : unset(in.shape);
        gelu(stream(), y, x);
        return values(y);
      });
    }
  }
}

TEST_P(GeluTest, AddsTheBiasFirst) {
  for (const Extents extents : kActivationExtents) {
    const GeluInputs in(extents);
    SCOPED_TRACE(to_string(in.shape));
    Doubles expected;
    for (std::size_t i = 0; i < in.x.size(); ++i) {
      expected.push_back(gelu_in_double(in.biased(i)));
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 1e-6, [&] {
        const TensorView x = tensor(in.shape, in.x);
        const TensorView y = in_place ? x : unset(in.shape);
        bias_gelu(stream(), y, x, tensor({extents.columns}, in.bias));
        return values(y);
      });
    }
  }
}

TEST_P(GeluTest, FindsItsSlope) {
  for (const Extents extents : kActivationExtents) {
    const GeluInputs in(extents);
    SCOPED_TRACE(to_string(in.shape));
    Doubles expected;
    for (std::size_t i = 0; i < in.x.size(); ++i) {
      expected.push_back(static_cast<double>(in.dy[i]) *
                         gelu_slope_in_double(static_cast<double>(in.x[i])));
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 2e-6, [&] {
        const TensorView dy = tensor(in.shape, in.dy);
        const TensorView dx = in_place ? dy : unset(in.shape);
        gelu_backward(stream(), dx, dy, tensor(in.shape, in.x));
        return values(dx);
      });
    }
  }
}

TEST_P(GeluTest, FindsTheGradientOfInputAndBiasInOnePass) {
  for (const Extents extents : kActivationExtents) {
    const GeluInputs in(extents);
    SCOPED_TRACE(to_string(in.shape));
    Doubles expected;
    Doubles dbias(in.bias.size(), 0.5);
    for (std::size_t i = 0; i < in.x.size(); ++i) {
      expected.push_back(static_cast<double>(in.dy[i]) * gelu_slope_in_double(in.biased(i)));
      dbias[i % dbias.size()] += expected.back();
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(joined(expected, dbias), 2e-5, [&] {
        const TensorView dy = tensor(in.shape, in.dy);
        const TensorView dx = in_place ? dy : unset(in.shape);
        const TensorView sums = filled({extents.columns}, 0.5F);
        bias_gelu_backward(stream(), dx, sums, dy, tensor(in.shape, in.x),
                           tensor({extents.columns}, in.bias));
        return values_of({dx, sums});
      });
    }
  }
}

TEST_P(GeluTest, KeepsItsRelativeAccuracyFarFromZeroAndPassesNaNOn) {
  const Floats x = {-9.0F, -8.0F, -6.0F, -4.0F, -1e-20F, 0.0F, 1e-20F, 6.0F, 1e5F, -1e5F, NAN};
  const TensorView in = tensor({std::ssize(x)}, x);
  const TensorView out = unset({std::ssize(x)});
  gelu(stream(), out, in);
  const Floats y = values(out);
  for (std::size_t i = 0; i < 9; ++i) {
    // x / (1 + e^(-2u)) does not lose the digits that 1 + tanh(u) loses in double already.
    const auto value = static_cast<double>(x[i]);
    const double u = std::sqrt(2.0 / std::numbers::pi) * (value + 0.044715 * value * value * value);
    const double expected = value / (1.0 + std::exp(-2.0 * u));
    EXPECT_NEAR(static_cast<double>(y[i]), expected, 1e-5 * std::abs(expected)) << x[i];
  }
  EXPECT_NEAR(y[9], 0.0F, 1e-30F);
  EXPECT_TRUE(std::isnan(y[10]));
}

}  // namespace
}  // namespace lockflight::ops
