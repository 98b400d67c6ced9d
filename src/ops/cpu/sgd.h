// Stochastic gradient descent with momentum.

#pragma once

#include "lockflight/ops/sgd.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// velocity = momentum velocity + *gradient_scale gradient + weight_decay weight, then weight -=
/// learning_rate velocity; gradient is set to zero afterwards if step.zero_gradient.  A scale that
/// is not finite updates nothing.  Every array has `count` elements.
void sgd(Team& team, float* weight, float* velocity, float* gradient, const float* gradient_scale,
         const SgdStep& step, std::int64_t count);

}  // namespace lockflight::ops::cpu
