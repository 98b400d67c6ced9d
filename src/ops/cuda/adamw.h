// AdamW on CUDA. Source: Loshchilov, Hutter 2019 (arXiv:1711.05101), algorithm 2.

#pragma once

#include "lockflight/ops/adamw.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// One update of `weight`, with the gradient multiplied by *gradient_scale first and set to zero
/// afterwards if step.zero_gradient.  A scale that is not finite updates nothing.  All f32, of one
/// shape.
void adamw(Queue& queue, const TensorView& weight, const TensorView& moment1,
           const TensorView& moment2, const TensorView& gradient, const TensorView& gradient_scale,
           const AdamWStep& step);

}  // namespace lockflight::ops::cuda
