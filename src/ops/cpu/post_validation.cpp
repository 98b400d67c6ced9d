#include "ops/cpu/post_validation.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace lockflight::ops::cpu {
namespace {

constexpr float kNone = std::numeric_limits<float>::quiet_NaN();

}  // namespace

void add_sums(double* sums, const double* more, std::int64_t count) {
  for (std::int64_t i = 0; i < count; ++i) {
    sums[i] += more[i];
  }
}

float eager_scale(const double* sums, std::int64_t count, double max_norm) {
  const double norm = std::sqrt(std::accumulate(sums, sums + count, 0.0));
  return std::isfinite(norm) && norm <= max_norm ? 1.0F : kNone;
}

void amend_scale(float& undo, float& redo, float used, float scale) {
  const bool right = used == scale;
  undo = !right && used == 1.0F ? 1.0F : 0.0F;
  redo = right ? kNone : scale;
}

}  // namespace lockflight::ops::cpu
