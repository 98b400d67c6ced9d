// Elementwise arithmetic.  Every array has `count` elements.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// z = x + y.   z may be x or y
void add(Team& team, float* z, const float* x, const float* y, std::int64_t count);

/// y = factor x.   y may be x
void scale(Team& team, float* y, const float* x, float factor, std::int64_t count);

/// y += factor x
void accumulate_scaled(Team& team, float* y, const float* x, float factor, std::int64_t count);

/// y = x
void copy(Team& team, float* y, const float* x, std::int64_t count);

/// y = value
void fill(Team& team, float* y, float value, std::int64_t count);

}  // namespace lockflight::ops::cpu
