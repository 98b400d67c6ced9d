#include "ops/cpu/rms_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/rms_norm.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/reduce.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

float row_mean_square(const float* x, std::int64_t columns) {
  FloatVector sum = constant(0.0F);
  for_each_vector(columns, [&](std::int64_t j, auto part) HWY_ATTR {
    const FloatVector value = load(x + j, part);
    sum = hn::MulAdd(value, value, sum);
  });
  return sum_of(sum) / static_cast<float>(columns);
}

void rms_norm_rows(float* y, float* rstd, const float* x, const float* gain, MatrixShape shape,
                   float epsilon) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    float* y_row = y + row * shape.columns;
    const float scale = 1.0F / std::sqrt(row_mean_square(x_row, shape.columns) + epsilon);
    rstd[row] = scale;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      store(load(x_row + j, part) * constant(scale) * load(gain + j, part), y_row + j, part);
    });
  }
}

// With g = dy * gain and n = x * rstd: dx = rstd * (g - n * mean(g * n)).
void rms_norm_backward_input_rows(float* dx, const float* dy, const float* x, const float* rstd,
                                  const float* gain, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    const float* dy_row = dy + row * shape.columns;
    float* dx_row = dx + row * shape.columns;
    const FloatVector scale = constant(rstd[row]);
    FloatVector sum = constant(0.0F);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector g = load(dy_row + j, part) * load(gain + j, part);
      sum = hn::MulAdd(g, load(x_row + j, part) * scale, sum);
    });
    const FloatVector mean = constant(sum_of(sum) / static_cast<float>(shape.columns));
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector g = load(dy_row + j, part) * load(gain + j, part);
      const FloatVector normal = load(x_row + j, part) * scale;
      store(scale * hn::NegMulAdd(normal, mean, g), dx_row + j, part);
    });
  }
}

// dgain += the sums over these rows.
void rms_norm_backward_weight_rows(float* dgain, const float* dy, const float* x, const float* rstd,
                                   MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    const float* dy_row = dy + row * shape.columns;
    const FloatVector scale = constant(rstd[row]);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector normal = load(x_row + j, part) * scale;
      store(hn::MulAdd(load(dy_row + j, part), normal, load(dgain + j, part)), dgain + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(rms_norm_rows);
HWY_EXPORT(rms_norm_backward_input_rows);
HWY_EXPORT(rms_norm_backward_weight_rows);

}  // namespace

void rms_norm(Team& team, Values y, float* rstd, ConstValues x, const float* gain,
              MatrixShape shape, float epsilon) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(rms_norm_rows)
                   (tile.write(y, at, part.elements()), rstd + begin,
                    tile.read(x, at, part.elements()), gain, part, epsilon);
                 });
}

void rms_norm_backward_input(Team& team, Values dx, ConstValues dy, ConstValues x,
                             const float* rstd, const float* gain, MatrixShape shape) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(rms_norm_backward_input_rows)
                   (tile.write(dx, at, part.elements()), tile.read(dy, at, part.elements()),
                    tile.read(x, at, part.elements()), rstd + begin, gain, part);
                 });
}

void rms_norm_backward_weight(Team& team, float* dgain, ConstValues dy, ConstValues x,
                              const float* rstd, MatrixShape shape) {
  sum_over_rows(
      team, shape, shape.columns,
      [&](float* partial, std::int64_t begin, std::int64_t end) {
        Tile tile;
        const MatrixShape part{.rows = end - begin, .columns = shape.columns};
        const std::int64_t at = begin * shape.columns;
        HWY_DYNAMIC_DISPATCH(rms_norm_backward_weight_rows)
        (partial, tile.read(dy, at, part.elements()), tile.read(x, at, part.elements()),
         rstd + begin, part);
      },
      [&](const float* partial) { accumulate(dgain, partial, shape.columns); });
}

}  // namespace lockflight::ops::cpu
#endif
