// The arithmetic of post-validation on CUDA: see lockflight/ops/post_validation.h.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// sums += more; both [n] f64
void add_sums(Queue& queue, const TensorView& sums, const TensorView& more);

/// scale [] = 1 if the root of the sum of `sums` [n] f64 is at most max_norm and finite, otherwise
/// NaN.
void eager_scale(Queue& queue, const TensorView& scale, const TensorView& sums, double max_norm);

/// Whether an update with `used` instead of `scale` is to be undone, and with what to update then;
/// all [].
void amend_scale(Queue& queue, const TensorView& undo, const TensorView& redo,
                 const TensorView& used, const TensorView& scale);

/// y = x if undo [] is not 0.
void restore(Queue& queue, const TensorView& y, const TensorView& x, const TensorView& undo);

}  // namespace lockflight::ops::cuda
