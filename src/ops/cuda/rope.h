// Rotary position embedding on CUDA, channel i paired with i + D/2.
// Source: Su et al. 2021 (arXiv:2104.09864), eq. 34.

#pragma once

#include "lockflight/ops/rope.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// In place, for i < D/2 and the angle a = t base^(-2 i / D):
///   x[b, t, h, i], x[b, t, h, i + D/2] = (x cos a - x' sin a, x' cos a + x sin a)
/// where x' is the second of the two.
///   x   [B, T, columns]   f32 or bf16
void rope(Queue& queue, const TensorView& x, const RopeOptions& options);

/// The same by -a.
void rope_backward(Queue& queue, const TensorView& dx, const RopeOptions& options);

}  // namespace lockflight::ops::cuda
