// The mean squared error and its gradient on CUDA.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// loss = the mean of (prediction[i] - target[i])^2, added up in f64; and dprediction[i] = 2 scale
/// (prediction[i] - target[i]) / count, unless dprediction is empty.
///   loss                              []               f32
///   dprediction, prediction, target   the same shape   f32 or bf16; dprediction may be prediction
void mean_squared_error(Queue& queue, const TensorView& loss, const TensorView& dprediction,
                        const TensorView& prediction, const TensorView& target, float scale);

}  // namespace lockflight::ops::cuda
