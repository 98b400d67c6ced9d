#include "ops/cpu/norm.h"

#include <vector>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/norm.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

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

// The sum of squared differences of up to kElementsPerPiece elements; dprediction may be null.
double squared_error_elements(float* dprediction, const float* prediction, const float* target,
                              float factor, std::int64_t count) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < count; ++i) {
    const float difference = prediction[i] - target[i];
    sum += static_cast<double>(difference) * static_cast<double>(difference);
    if (dprediction != nullptr) {
      dprediction[i] = factor * difference;
    }
  }
  return sum;
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(sum_of_squared_elements);
HWY_EXPORT(squared_error_elements);

// Adds up sum_piece(begin, end) over all pieces in ascending order.
template <class SumPiece>
double sum_over_pieces(Team& team, std::int64_t count, const SumPiece& sum_piece) {
  const std::int64_t pieces = ceil_divide(count, kElementsPerPiece);
  thread_local std::vector<double> sums;
  sums.assign(static_cast<std::size_t>(pieces), 0.0);
  double* const of_caller = sums.data();  // `sums` names another vector in a helper
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    of_caller[begin / kElementsPerPiece] = sum_piece(begin, end);
  });
  double total = 0.0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

}  // namespace

double sum_of_squares(Team& team, const float* x, std::int64_t count) {
  return sum_over_pieces(team, count, [&](std::int64_t begin, std::int64_t end) {
    return HWY_DYNAMIC_DISPATCH(sum_of_squared_elements)(x + begin, end - begin);
  });
}

double mean_squared_error(Team& team, float* dprediction, const float* prediction,
                          const float* target, float factor, std::int64_t count) {
  const float slope = factor * 2.0F / static_cast<float>(count);
  const double sum = sum_over_pieces(team, count, [&](std::int64_t begin, std::int64_t end) {
    return HWY_DYNAMIC_DISPATCH(squared_error_elements)(
        dprediction == nullptr ? nullptr : dprediction + begin, prediction + begin, target + begin,
        slope, end - begin);
  });
  return sum / static_cast<double>(count);
}

}  // namespace lockflight::ops::cpu
#endif
