#include "ops/cpu/cross_entropy.h"

#include <cmath>

#include <fmt/core.h>

#include "lockflight/core/error.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/cross_entropy.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

constexpr float kLog2E = 1.44269504F;

float row_max(const float* x, std::int64_t columns) {
  FloatVector max = constant(x[0]);
  for_each_vector(columns, [&](std::int64_t j, auto part)
                               HWY_ATTR { max = hn::Max(max, load(x + j, part, x[0])); });
  return max_of(max);
}

float row_sum_of_exponentials(const float* x, float max, std::int64_t columns) {
  FloatVector sum = constant(0.0F);
  for_each_vector(columns, [&](std::int64_t j, auto part) HWY_ATTR {
    sum = sum + keep(exp2((load(x + j, part) - constant(max)) * constant(kLog2E)), part);
  });
  return sum_of(sum);
}

// dlogits may be null.
void cross_entropy_rows(float* losses, float* dlogits, const float* logits,
                        const std::int32_t* targets, float factor, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x = logits + row * shape.columns;
    const float max = row_max(x, shape.columns);
    const float sum = row_sum_of_exponentials(x, max, shape.columns);
    losses[row] = std::log(sum) + (max - x[targets[row]]);
    if (dlogits == nullptr) {
      continue;
    }
    float* dx = dlogits + row * shape.columns;
    const FloatVector weight = constant(factor / sum);
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      const FloatVector e = exp2((load(x + j, part) - constant(max)) * constant(kLog2E));
      store(e * weight, dx + j, part);
    });
    dx[targets[row]] -= factor;
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(cross_entropy_rows);

void check_targets(const std::int32_t* targets, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    if (targets[row] < 0 || targets[row] >= shape.columns) {
      throw InvalidArgument(
          fmt::format("cross_entropy: target {} at position {} is outside the vocabulary of {}",
                      targets[row], row, shape.columns));
    }
  }
}

}  // namespace

void cross_entropy(Team& team, float* losses, ConstValues logits, const std::int32_t* targets,
                   MatrixShape shape) {
  cross_entropy_with_gradient(team, losses, nullptr, logits, targets, 0.0F, shape);
}

void cross_entropy_with_gradient(Team& team, float* losses, Values dlogits, ConstValues logits,
                                 const std::int32_t* targets, float factor, MatrixShape shape) {
  check_targets(targets, shape);
  for_each_piece(team, shape.rows, rows_per_piece(shape),
                 [&](std::int64_t begin, std::int64_t end) {
                   Tile tile;
                   const MatrixShape part{.rows = end - begin, .columns = shape.columns};
                   const std::int64_t at = begin * shape.columns;
                   HWY_DYNAMIC_DISPATCH(cross_entropy_rows)
                   (losses + begin, dlogits ? tile.write(dlogits, at, part.elements()) : nullptr,
                    tile.read(logits, at, part.elements()), targets + begin, factor, part);
                 });
}

}  // namespace lockflight::ops::cpu
#endif
