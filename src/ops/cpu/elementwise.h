// Elementwise arithmetic.  All values have `count` elements.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// z = x + y.   z may be x or y
void add(Team& team, Values z, ConstValues x, ConstValues y, std::int64_t count);

/// y = factor x.   y may be x
void scale(Team& team, Values y, ConstValues x, float factor, std::int64_t count);

/// y += factor x
void accumulate_scaled(Team& team, Values y, ConstValues x, float factor, std::int64_t count);

/// y = x, rounded or widened where they differ in type.
void copy(Team& team, Values y, ConstValues x, std::int64_t count);

/// y = value
void fill(Team& team, Values y, float value, std::int64_t count);

}  // namespace lockflight::ops::cpu
