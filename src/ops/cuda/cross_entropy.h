// Softmax cross-entropy and its gradient on CUDA.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// losses[i] = log(sum_v exp(logits[i, v])) - logits[i, targets[i]]
///   losses    [N]      f32
///   logits    [N, V]   f32 or bf16
///   targets   [N]      each in 0 … V - 1; a complaint if one is not
void cross_entropy(Queue& queue, const TensorView& losses, const TensorView& logits,
                   const TensorView& targets);

/// The same, and dlogits = factor (softmax(logits) - one_hot(targets)).   dlogits may be logits
void cross_entropy_with_gradient(Queue& queue, const TensorView& losses, const TensorView& dlogits,
                                 const TensorView& logits, const TensorView& targets, float factor);

}  // namespace lockflight::ops::cuda
