#include "ops/cpu/clip_scale.h"

#include <cmath>
#include <limits>
#include <numeric>

namespace lockflight::ops::cpu {

float clip_scale(const double* sums, std::int64_t count, double max_norm) {
  const double norm = std::sqrt(std::accumulate(sums, sums + count, 0.0));
  if (!std::isfinite(norm)) {
    return std::numeric_limits<float>::quiet_NaN();
  }
  return norm > max_norm ? static_cast<float>(max_norm / norm) : 1.0F;
}

}  // namespace lockflight::ops::cpu
