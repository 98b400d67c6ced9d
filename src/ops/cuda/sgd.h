// Stochastic gradient descent with momentum on CUDA.

#pragma once

#include "lockflight/ops/sgd.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// velocity = momentum velocity + *gradient_scale gradient + weight_decay weight, then weight -=
/// learning_rate velocity; gradient is set to zero afterwards if step.zero_gradient.  A scale that
/// is not finite updates nothing.  All f32, of one shape.
void sgd(Queue& queue, const TensorView& weight, const TensorView& velocity,
         const TensorView& gradient, const TensorView& gradient_scale, const SgdStep& step);

}  // namespace lockflight::ops::cuda
