#include "ops/cpu/mean_squared_error.h"

#include "ops/cpu/reduce.h"

namespace lockflight::ops::cpu {
namespace {

// The sum of squared differences of up to kElementsPerPiece elements; dprediction may be null.
double add_squared_errors(float* dprediction, const float* prediction, const float* target,
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

}  // namespace

float mean_squared_error(Team& team, Values dprediction, ConstValues prediction, ConstValues target,
                         float factor, std::int64_t count) {
  const float slope = factor * 2.0F / static_cast<float>(count);
  const double sum = sum_over_pieces(team, count, [&](std::int64_t begin, std::int64_t end) {
    Tile tile;
    const std::int64_t part = end - begin;
    return add_squared_errors(dprediction ? tile.write(dprediction, begin, part) : nullptr,
                              tile.read(prediction, begin, part), tile.read(target, begin, part),
                              slope, part);
  });
  return static_cast<float>(sum / static_cast<double>(count));
}

}  // namespace lockflight::ops::cpu
