// AdamW. Source: Loshchilov, Hutter 2019 (arXiv:1711.05101), algorithm 2.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

struct AdamWStep {
  float learning_rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.0F;   ///< decoupled: weight -= learning_rate weight_decay weight
  std::int64_t step = 1;       ///< counted from 1, for the correction of the moments
  bool zero_gradient = false;  ///< set the gradient to zero afterwards
};

/// One update of `weight` by its gradient times gradient_scale.
///   weight, moment1, moment2, gradient   the same shape   f32; the moments start as zeros
///   gradient_scale                       []               f32, read when the operation runs; if it
///                                                         is not finite, nothing is updated, and
///                                                         a gradient to be zeroed is zeroed
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit or
/// step is less than 1.
void adamw(Stream& stream, const TensorView& weight, const TensorView& moment1,
           const TensorView& moment2, const TensorView& gradient, const TensorView& gradient_scale,
           const AdamWStep& step);

}  // namespace lockflight::ops
