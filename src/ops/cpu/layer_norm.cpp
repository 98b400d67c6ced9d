#include "ops/cpu/layer_norm.h"

#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/layer_norm.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/reduce.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

float row_mean(const float* x, std::int64_t columns) {
  FloatVector sum = constant(0.0F);
  for_each_vector(columns,
                  [&](std::int64_t j, auto part) HWY_ATTR { sum = sum + load(x + j, part); });
  return sum_of(sum) / static_cast<float>(columns);
}

float row_variance(const float* x, float mean, std::int64_t columns) {
  FloatVector sum = constant(0.0F);
  for_each_vector(columns, [&](std::int64_t j, auto part) HWY_ATTR {
    const FloatVector centred = load(x + j, part, mean) - constant(mean);
    sum = hn::MulAdd(centred, centred, sum);
  });
  return sum_of(sum) / static_cast<float>(columns);
}

void layer_norm_rows(float* y, float* mean, float* rstd, const float* x, const float* gain,
                     const float* bias, MatrixShape shape, float epsilon) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    float* y_row = y + row * shape.columns;
    const float row_mu = row_mean(x_row, shape.columns);
    const float scale = 1.0F / std::sqrt(row_variance(x_row, row_mu, shape.columns) + epsilon);
    mean[row] = row_mu;
    rstd[row] = scale;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector normal = (load(x_row + j, part) - constant(row_mu)) * constant(scale);
      store(hn::MulAdd(normal, load(gain + j, part), load(bias + j, part)), y_row + j, part);
    });
  }
}

// With g = dy * gain and n the normalised x: dx = rstd * (g - mean(g) - n * mean(g * n)).
void layer_norm_backward_input_rows(float* dx, const float* dy, const float* x, const float* mean,
                                    const float* rstd, const float* gain, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    const float* dy_row = dy + row * shape.columns;
    float* dx_row = dx + row * shape.columns;
    const FloatVector mu = constant(mean[row]);
    const FloatVector scale = constant(rstd[row]);
    FloatVector sum = constant(0.0F);
    FloatVector sum_with_normal = constant(0.0F);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector g = load(dy_row + j, part) * load(gain + j, part);
      const FloatVector normal = (load(x_row + j, part) - mu) * scale;
      sum = sum + g;
      sum_with_normal = hn::MulAdd(g, normal, sum_with_normal);
    });
    const auto columns = static_cast<float>(shape.columns);
    const FloatVector mean_g = constant(sum_of(sum) / columns);
    const FloatVector mean_g_normal = constant(sum_of(sum_with_normal) / columns);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector g = load(dy_row + j, part) * load(gain + j, part);
      const FloatVector normal = (load(x_row + j, part) - mu) * scale;
      store(scale * (hn::NegMulAdd(normal, mean_g_normal, g) - mean_g), dx_row + j, part);
    });
  }
}

// dgain, dbias += the sums over these rows.
void layer_norm_backward_weight_rows(float* dgain, float* dbias, const float* dy, const float* x,
                                     const float* mean, const float* rstd, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    const float* dy_row = dy + row * shape.columns;
    const FloatVector mu = constant(mean[row]);
    const FloatVector scale = constant(rstd[row]);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector g = load(dy_row + j, part);
      const FloatVector normal = (load(x_row + j, part) - mu) * scale;
      store(hn::MulAdd(g, normal, load(dgain + j, part)), dgain + j, part);
      store(load(dbias + j, part) + g, dbias + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(layer_norm_rows);
HWY_EXPORT(layer_norm_backward_input_rows);
HWY_EXPORT(layer_norm_backward_weight_rows);

}  // namespace

void layer_norm(Team& team, Values y, float* mean, float* rstd, ConstValues x, const float* gain,
                const float* bias, MatrixShape shape, float epsilon) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(layer_norm_rows)
                   (tile.write(y, at, part.elements()), mean + begin, rstd + begin,
                    tile.read(x, at, part.elements()), gain, bias, part, epsilon);
                 });
}

void layer_norm_backward_input(Team& team, Values dx, ConstValues dy, ConstValues x,
                               const float* mean, const float* rstd, const float* gain,
                               MatrixShape shape) {
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(layer_norm_backward_input_rows)
                   (tile.write(dx, at, part.elements()), tile.read(dy, at, part.elements()),
                    tile.read(x, at, part.elements()), mean + begin, rstd + begin, gain, part);
                 });
}

void layer_norm_backward_weight(Team& team, float* dgain, float* dbias, ConstValues dy,
                                ConstValues x, const float* mean, const float* rstd,
                                MatrixShape shape) {
  const std::int64_t columns = shape.columns;
  // One partial row holds the sums for dgain, then those for dbias.
  sum_over_rows(
      team, shape, 2 * columns,
      [&](float* partial, std::int64_t begin, std::int64_t end) {
        Tile tile;
        const MatrixShape part{.rows = end - begin, .columns = columns};
        const std::int64_t at = begin * columns;
        HWY_DYNAMIC_DISPATCH(layer_norm_backward_weight_rows)
        (partial, partial + columns, tile.read(dy, at, part.elements()),
         tile.read(x, at, part.elements()), mean + begin, rstd + begin, part);
      },
      [&](const float* partial) {
        accumulate(dgain, partial, columns);
        accumulate(dbias, partial + columns, columns);
      });
}

}  // namespace lockflight::ops::cpu
#endif
