// The mean squared error and its gradient.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// loss = the mean of (prediction - target)^2; and, unless dprediction is empty, dprediction =
/// scale times the gradient of that mean.
///   loss                              []               f32
///   dprediction, prediction, target   the same shape   all f32 or all bf16; dprediction may be
///                                                      prediction
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void mean_squared_error(Stream& stream, const TensorView& loss, const TensorView& dprediction,
                        const TensorView& prediction, const TensorView& target, float scale);

}  // namespace lockflight::ops
