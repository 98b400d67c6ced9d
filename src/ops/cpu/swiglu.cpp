#include "ops/cpu/swiglu.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/swiglu.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

constexpr float kMinusLog2E = -1.44269504F;

HWY_INLINE FloatVector logistic(FloatVector x) {
  return constant(1.0F) / (constant(1.0F) + exp2(x * constant(kMinusLog2E)));
}

void swiglu_rows(float* y, const float* x, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* gate_row = x + row * 2 * shape.columns;
    const float* up_row = gate_row + shape.columns;
    float* y_row = y + row * shape.columns;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector gate = load(gate_row + j, part);
      store(gate * logistic(gate) * load(up_row + j, part), y_row + j, part);
    });
  }
}

// With s the logistic function of g: silu'(g) = s + g s (1 - s).
void swiglu_backward_rows(float* dx, const float* dy, const float* x, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* gate_row = x + row * 2 * shape.columns;
    const float* up_row = gate_row + shape.columns;
    const float* dy_row = dy + row * shape.columns;
    float* dgate_row = dx + row * 2 * shape.columns;
    float* dup_row = dgate_row + shape.columns;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector gate = load(gate_row + j, part);
      const FloatVector up = load(up_row + j, part);
      const FloatVector gradient = load(dy_row + j, part);
      const FloatVector s = logistic(gate);
      const FloatVector slope = hn::MulAdd(gate, hn::NegMulAdd(s, s, s), s);
      store(gradient * up * slope, dgate_row + j, part);
      store(gradient * gate * s, dup_row + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(swiglu_rows);
HWY_EXPORT(swiglu_backward_rows);

}  // namespace

void swiglu(Team& team, Values y, ConstValues x, MatrixShape shape) {
  for_each_piece(
      team, shape.rows, rows_per_piece(shape), [&](std::int64_t begin, std::int64_t end) {
        Tile tile;
        const MatrixShape part{.rows = end - begin, .columns = shape.columns};
        const std::int64_t at = begin * shape.columns;
        HWY_DYNAMIC_DISPATCH(swiglu_rows)
        (tile.write(y, at, part.elements()), tile.read(x, 2 * at, 2 * part.elements()), part);
      });
}

void swiglu_backward(Team& team, Values dx, ConstValues dy, ConstValues x, MatrixShape shape) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(swiglu_backward_rows)
                   (tile.write(dx, 2 * at, 2 * part.elements()), tile.read(dy, at, part.elements()),
                    tile.read(x, 2 * at, 2 * part.elements()), part);
                 });
}

}  // namespace lockflight::ops::cpu
#endif
