// Clipping by the global norm on CUDA.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// scale [] = max_norm / norm if the norm, the root of the sum of `sums` [n] f64, is larger than
/// max_norm, otherwise 1; NaN if it is not finite.
void clip_scale(Queue& queue, const TensorView& scale, const TensorView& sums, double max_norm);

}  // namespace lockflight::ops::cuda
