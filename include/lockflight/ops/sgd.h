// Stochastic gradient descent with momentum.
// Source: Polyak 1964, in the form of Sutskever et al. 2013 (ICML), eq. 1 and 2, with the learning
// rate applied to the velocity.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

struct SgdStep {
  float learning_rate = 1e-2F;
  float momentum = 0.0F;
  float weight_decay = 0.0F;   ///< added to the gradient: weight_decay weight
  bool zero_gradient = false;  ///< set the gradient to zero afterwards
};

/// velocity = momentum velocity + gradient_scale gradient + weight_decay weight, then weight -=
/// learning_rate velocity.
///   weight, velocity, gradient   the same shape   f32; the velocity starts as zeros
///   gradient_scale               []               f32, read when the operation runs; if it is not
///                                                 finite, nothing is updated, and a gradient to be
///                                                 zeroed is zeroed
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void sgd(Stream& stream, const TensorView& weight, const TensorView& velocity,
         const TensorView& gradient, const TensorView& gradient_scale, const SgdStep& step);

}  // namespace lockflight::ops
