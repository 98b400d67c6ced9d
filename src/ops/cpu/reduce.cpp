#include "ops/cpu/reduce.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/reduce.cpp"
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

double sum_of_elements(const float* x, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    sum += static_cast<double>(x[i]);
  }
  return sum;
}

double sum_of_squared_elements(const float* x, std::int64_t count) {
  const hn::ScalableTag<double> doubles;
  const hn::Rebind<float, decltype(doubles)> halves;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(doubles));
  auto sum0 = hn::Zero(doubles);
  auto sum1 = hn::Zero(doubles);
  std::int64_t i = 0;
  for (; i + 2 * lanes <= count; i += 2 * lanes) {
    const auto x0 = hn::PromoteTo(doubles, hn::LoadU(halves, x + i));
    const auto x1 = hn::PromoteTo(doubles, hn::LoadU(halves, x + i + lanes));
    sum0 = hn::MulAdd(x0, x0, sum0);
    sum1 = hn::MulAdd(x1, x1, sum1);
  }
  double sum = hn::GetLane(hn::SumOfLanes(doubles, sum0 + sum1));
  for (; i < count; ++i) {
    sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  }
  return sum;
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(accumulate_rows);
HWY_EXPORT(sum_of_elements);
HWY_EXPORT(sum_of_squared_elements);

}  // namespace

void accumulate(float* to, const float* from, std::int64_t count) {
  HWY_DYNAMIC_DISPATCH(accumulate_rows)(to, from, {.rows = 1, .columns = count});
}

void column_sum(Team& team, float* sums, ConstValues x, MatrixShape shape) {
  sum_over_rows(
      team, shape, shape.columns,
      [&](float* partial, std::int64_t begin, std::int64_t end) {
        Tile tile;
        const MatrixShape part{.rows = end - begin, .columns = shape.columns};
        HWY_DYNAMIC_DISPATCH(accumulate_rows)
        (partial, tile.read(x, begin * part.columns, part.elements()), part);
      },
      [&](const float* partial) { accumulate(sums, partial, shape.columns); });
}

float mean(Team& team, const float* x, std::int64_t count) {
  const double sum = sum_over_pieces(team, count, [&](std::int64_t begin, std::int64_t end) {
    return HWY_DYNAMIC_DISPATCH(sum_of_elements)(x + begin, end - begin);
  });
  return static_cast<float>(sum / static_cast<double>(count));
}

double sum_of_squares(Team& team, const float* x, std::int64_t count) {
  return sum_over_pieces(team, count, [&](std::int64_t begin, std::int64_t end) {
    return HWY_DYNAMIC_DISPATCH(sum_of_squared_elements)(x + begin, end - begin);
  });
}

}  // namespace lockflight::ops::cpu
#endif
