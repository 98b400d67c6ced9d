#include "ops/cpu/gelu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/gelu.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/reduce.h"
#include "ops/cpu/vector-inl.h"

// gelu(x) = x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), and (1 + tanh u) / 2 is
// the logistic function of 2 u: gelu(x) = x / (1 + 2^z) with z = -2 u log2(e) = x (kLinear + kCubic
// x^2). That needs one 2^x and one division, and keeps its relative accuracy for very negative x.

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

constexpr float kLinear = -2.302208198F;  // -2 sqrt(2 / pi) log2(e)
constexpr float kCubic = -0.1029432396F;  // the same times 0.044715
constexpr float kMinusLn2 = -0.693147181F;

HWY_INLINE FloatVector logistic_of_2u(FloatVector x, FloatVector x_squared) {
  const FloatVector z = x * hn::MulAdd(constant(kCubic), x_squared, constant(kLinear));
  return constant(1.0F) / (constant(1.0F) + exp2(z));
}

HWY_INLINE FloatVector gelu_of(FloatVector x) { return x * logistic_of_2u(x, x * x); }

// With s the logistic function of 2 u: gelu'(x) = s + x s (1 - s) d(2 u)/dx.
HWY_INLINE FloatVector gelu_slope_of(FloatVector x) {
  const FloatVector x_squared = x * x;
  const FloatVector s = logistic_of_2u(x, x_squared);
  const FloatVector slope =
      hn::MulAdd(constant(3.0F * kMinusLn2 * kCubic), x_squared, constant(kMinusLn2 * kLinear));
  return hn::MulAdd(x * slope, hn::NegMulAdd(s, s, s), s);
}

void gelu_elements(float* y, const float* x, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part)
                             HWY_ATTR { store(gelu_of(load(x + i, part)), y + i, part); });
}

void bias_gelu_rows(float* y, const float* x, const float* bias, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::int64_t at = row * shape.columns;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      store(gelu_of(load(x + at + j, part) + load(bias + j, part)), y + at + j, part);
    });
  }
}

void gelu_backward_elements(float* dx, const float* dy, const float* x, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    store(load(dy + i, part) * gelu_slope_of(load(x + i, part)), dx + i, part);
  });
}

// Also adds these rows' sums to dbias.
void bias_gelu_backward_rows(float* dx, float* dbias, const float* dy, const float* x,
                             const float* bias, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::int64_t at = row * shape.columns;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector slope = gelu_slope_of(load(x + at + j, part) + load(bias + j, part));
      const FloatVector gradient = load(dy + at + j, part) * slope;
      store(gradient, dx + at + j, part);
      store(load(dbias + j, part) + gradient, dbias + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(gelu_elements);
HWY_EXPORT(bias_gelu_rows);
HWY_EXPORT(gelu_backward_elements);
HWY_EXPORT(bias_gelu_backward_rows);

}  // namespace

void gelu(Team& team, Values y, ConstValues x, const float* bias, MatrixShape shape) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   float* to = tile.write(y, at, part.elements());
                   const float* from = tile.read(x, at, part.elements());
                   if (bias == nullptr) {
                     HWY_DYNAMIC_DISPATCH(gelu_elements)(to, from, part.elements());
                   } else {
                     HWY_DYNAMIC_DISPATCH(bias_gelu_rows)(to, from, bias, part);
                   }
                 });
}

void gelu_backward(Team& team, Values dx, ConstValues dy, ConstValues x, MatrixShape shape) {
  for_each_piece(
      team, shape.rows, rows_per_piece(shape), [&](std::int64_t begin, std::int64_t end) {
        Tile tile;
        const std::int64_t at = begin * shape.columns;
        const std::int64_t count = (end - begin) * shape.columns;
        HWY_DYNAMIC_DISPATCH(gelu_backward_elements)
        (tile.write(dx, at, count), tile.read(dy, at, count), tile.read(x, at, count), count);
      });
}

void bias_gelu_backward(Team& team, Values dx, float* dbias, ConstValues dy, ConstValues x,
                        const float* bias, MatrixShape shape) {
  sum_over_rows(
      team, shape, shape.columns,
      [&](float* partial, std::int64_t begin, std::int64_t end) {
        Tile tile;
        const MatrixShape part{.rows = end - begin, .columns = shape.columns};
        const std::int64_t at = begin * shape.columns;
        HWY_DYNAMIC_DISPATCH(bias_gelu_backward_rows)
        (tile.write(dx, at, part.elements()), partial, tile.read(dy, at, part.elements()),
         tile.read(x, at, part.elements()), bias, part);
      },
      [&](const float* partial) { accumulate(dbias, partial, shape.columns); });
}

}  // namespace lockflight::ops::cpu
#endif
