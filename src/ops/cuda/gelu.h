// GELU in its tanh form on CUDA, with the bias before it fused in.
// Source: Hendrycks, Gimpel 2016 (arXiv:1606.08415), section 2.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y = gelu(x).   x, y the same shape, f32 or bf16; y may be x
void gelu(Queue& queue, const TensorView& y, const TensorView& x);

/// dx = dy gelu'(x).   the same shape; dx may be dy
void gelu_backward(Queue& queue, const TensorView& dx, const TensorView& dy, const TensorView& x);

/// y = gelu(x + bias).   x, y [N, C]; bias [C]; y may be x
void bias_gelu(Queue& queue, const TensorView& y, const TensorView& x, const TensorView& bias);

/// dx = dy gelu'(x + bias), and adds the column sums of dx to dbias [C].   dx may be dy
void bias_gelu_backward(Queue& queue, const TensorView& dx, const TensorView& dbias,
                        const TensorView& dy, const TensorView& x, const TensorView& bias);

}  // namespace lockflight::ops::cuda
