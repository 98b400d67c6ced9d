// The gated unit SwiGLU on CUDA. Source: Shazeer 2020 (arXiv:2002.05202), eq. 5, without its
// products.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y = silu(gate) * up, silu(g) = g / (1 + e^-g).
///   y   [N, F]      f32 or bf16
///   x   [N, 2, F]   gate, up
void swiglu(Queue& queue, const TensorView& y, const TensorView& x);

/// dx [N, 2, F] from dy [N, F].  dx may be x.
void swiglu_backward(Queue& queue, const TensorView& dx, const TensorView& dy, const TensorView& x);

}  // namespace lockflight::ops::cuda
