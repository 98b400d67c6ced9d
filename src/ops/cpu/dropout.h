// Dropout by counter-based random numbers: the mask is a function of key and place, never stored.

#pragma once

#include "lockflight/core/random.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y[e] = x[e] / (1 - rate) where the word of element e (philox in core/random.h) is at least rate
/// 2^32, else 0. The gradient is the same function of dy with the same key. y may be x.
/// 0 <= rate < 1.
void dropout(Team& team, Values y, ConstValues x, float rate, const RandomKey& key,
             std::int64_t count);

}  // namespace lockflight::ops::cpu
