// Updating before the norm of all gradients is known, and putting that right afterwards.
// Source: Qi et al. 2023 (arXiv:2401.10241), section 4.
//
// All are enqueued on `stream` and do not wait; they throw InvalidArgument if shapes or types do
// not fit.  In all of them a scale is a f32 scalar that is NaN where nothing is to be updated: see
// ops::adamw and ops::clip_scale.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// sums += more
///   sums, more   [n]   f64
void add_sums(Stream& stream, const TensorView& sums, const TensorView& more);

/// scale = 1 if the norm, the root of the sum of `sums`, is at most max_norm and finite, otherwise
/// NaN.
///   scale   []    f32
///   sums    [n]   f64, added up in ascending order
/// Throws InvalidArgument if max_norm is not positive.
void eager_scale(Stream& stream, const TensorView& scale, const TensorView& sums, double max_norm);

/// What is left to do after an update with `used`, where it should have been `scale`.
///   undo    []   f32: 1 if something was updated that should not have been so, otherwise 0
///   redo    []   f32: the scale of a further update after that; NaN: none
///   used    []   f32: 1 or NaN
///   scale   []   f32; may be redo
void amend_scale(Stream& stream, const TensorView& undo, const TensorView& redo,
                 const TensorView& used, const TensorView& scale);

/// y = x if undo is not 0.
///   x, y   the same shape   f32
///   undo   []               f32
void restore(Stream& stream, const TensorView& y, const TensorView& x, const TensorView& undo);

}  // namespace lockflight::ops
