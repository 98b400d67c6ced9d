// Dropout by counter-based random numbers on CUDA: the mask is a function of key and place, never
// stored, and the same as on a CPU.

#pragma once

#include "lockflight/core/random.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y[e] = x[e] / (1 - rate) where the word of element e (philox in core/random.h) is at least rate
/// 2^32, else 0.   x, y the same shape, f32 or bf16; y may be x; 0 <= rate < 1
void dropout(Queue& queue, const TensorView& y, const TensorView& x, float rate,
             const RandomKey& key);

}  // namespace lockflight::ops::cuda
