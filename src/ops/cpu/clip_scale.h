// Clipping by the global norm.

#pragma once

#include <cstdint>

namespace lockflight::ops::cpu {

/// max_norm / norm if the norm, the root of the sum of `sums` [count], is larger than max_norm,
/// otherwise 1; NaN if it is not finite.
float clip_scale(const double* sums, std::int64_t count, double max_norm);

}  // namespace lockflight::ops::cpu
