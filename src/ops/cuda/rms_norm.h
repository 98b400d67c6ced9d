// Root mean square normalisation over rows on CUDA.
// Source: Zhang, Sennrich 2019 (arXiv:1910.07467), eq. 4.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y = x * rstd * gain, rstd = 1 / sqrt(mean(x^2) + epsilon).
///   x, y   [N, C]   f32 or bf16; y may be x
///   rstd   [N]      written
///   gain   [C]
void rms_norm(Queue& queue, const TensorView& y, const TensorView& rstd, const TensorView& x,
              const TensorView& gain, float epsilon);

/// dx from dy.  dx may be dy.
void rms_norm_backward_input(Queue& queue, const TensorView& dx, const TensorView& dy,
                             const TensorView& x, const TensorView& rstd, const TensorView& gain);

/// Adds the gradient of gain [C] to dgain.
void rms_norm_backward_weight(Queue& queue, const TensorView& dgain, const TensorView& dy,
                              const TensorView& x, const TensorView& rstd);

}  // namespace lockflight::ops::cuda
