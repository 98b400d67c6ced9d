// Softmax cross-entropy, alone or with its gradient in the same pass.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// losses[i] = log(sum over v of exp(logits[i, v])) - logits[i, targets[i]]; `mean` in reduce.h
/// makes one number of them.
///   losses    one per row   f32
///   logits    [.., V]       f32 or bf16
///   targets   one per row   i32, each in 0 … V - 1
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.  A
/// target outside the vocabulary makes the device fail when the operation runs.
void cross_entropy(Stream& stream, const TensorView& losses, const TensorView& logits,
                   const TensorView& targets);

/// The same, and dlogits = factor (softmax(logits) - one_hot(targets)); factor is the scale / rows
/// for the gradient of scale times the mean loss.
///   dlogits   [.., V]   as logits; may be logits
/// The others as above.  Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or
/// types do not fit.  A target outside the vocabulary makes the device fail when the operation
/// runs.
void cross_entropy_with_gradient(Stream& stream, const TensorView& losses,
                                 const TensorView& dlogits, const TensorView& logits,
                                 const TensorView& targets, float factor);

}  // namespace lockflight::ops
