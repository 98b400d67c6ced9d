// Softmax cross-entropy and its gradient in one pass over the logits.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// losses[i] = log(sum_v exp(logits[i, v])) - logits[i, targets[i]]
///   losses   [N]
///   logits   [N, V]
///   targets  [N], each in 0 … V - 1
/// Throws InvalidArgument if a target is not.
void cross_entropy(Team& team, float* losses, ConstValues logits, const std::int32_t* targets,
                   MatrixShape shape);

/// The same, and dlogits = factor (softmax(logits) - one_hot(targets)).   dlogits may be logits
void cross_entropy_with_gradient(Team& team, float* losses, Values dlogits, ConstValues logits,
                                 const std::int32_t* targets, float factor, MatrixShape shape);

}  // namespace lockflight::ops::cpu
