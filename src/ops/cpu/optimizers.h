// Parameter updates.  Every array has `count` elements.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

struct AdamWStep {
  float learning_rate;
  float beta1;
  float beta2;
  float epsilon;
  float weight_decay;
  std::int64_t step;  // counted from 1
};

/// One AdamW update of `weight`, with the gradient multiplied by *gradient_scale first and set to
/// zero afterwards if zero_gradient.
/// Source: Loshchilov, Hutter 2019 (arXiv:1711.05101), algorithm 2.
void adamw(Team& team, float* weight, float* moment1, float* moment2, float* gradient,
           const float* gradient_scale, const AdamWStep& step, bool zero_gradient,
           std::int64_t count);

struct SgdStep {
  float learning_rate;
  float momentum;
  float weight_decay;
};

/// velocity = momentum velocity + *gradient_scale gradient + weight_decay weight, then weight -=
/// learning_rate velocity; gradient is set to zero afterwards if zero_gradient.
void sgd(Team& team, float* weight, float* velocity, float* gradient, const float* gradient_scale,
         const SgdStep& step, bool zero_gradient, std::int64_t count);

}  // namespace lockflight::ops::cpu
