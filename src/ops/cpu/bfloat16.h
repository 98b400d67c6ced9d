// Between bf16 and f32.

#pragma once

#include <cstdint>

#include "lockflight/core/bfloat16.h"

namespace lockflight::ops::cpu {

/// to[i] = from[i], exactly, on the calling thread.
void widen(float* to, const BFloat16* from, std::int64_t count);

/// to[i] = from[i], rounded as BFloat16 does, on the calling thread.
void round_to_bf16(BFloat16* to, const float* from, std::int64_t count);

}  // namespace lockflight::ops::cpu
