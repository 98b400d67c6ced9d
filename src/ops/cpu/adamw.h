// AdamW. Source: Loshchilov, Hutter 2019 (arXiv:1711.05101), algorithm 2.

#pragma once

#include "lockflight/ops/adamw.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// One update of `weight`, with the gradient multiplied by *gradient_scale first and set to zero
/// afterwards if step.zero_gradient.  A scale that is not finite updates nothing.  Every array has
/// `count` elements.
void adamw(Team& team, float* weight, float* moment1, float* moment2, float* gradient,
           const float* gradient_scale, const AdamWStep& step, std::int64_t count);

}  // namespace lockflight::ops::cpu
