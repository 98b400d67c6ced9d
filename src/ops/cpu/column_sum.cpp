#include "ops/cpu/column_sum.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/column_sum.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void accumulate_rows(float* sums, const float* x, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const float* x_row = x + row * shape.columns;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      store(load(sums + j, part) + load(x_row + j, part), sums + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(accumulate_rows);

}  // namespace

void accumulate(float* to, const float* from, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(accumulate_rows)(to, from, {.rows = 1, .columns = count});
}

void column_sum(Team& team, float* sums, const float* x, MatrixShape shape) {
  sum_over_rows(
      team, shape.rows, shape.columns,
      [&](float* partial, std::int64_t begin, std::int64_t end) {
        HWY_DYNAMIC_DISPATCH(accumulate_rows)
        (partial, x + begin * shape.columns, {.rows = end - begin, .columns = shape.columns});
      },
      [&](const float* partial) { accumulate(sums, partial, shape.columns); });
}

}  // namespace lockflight::ops::cpu
#endif
