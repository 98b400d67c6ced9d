// Elementwise arithmetic.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

// In all of these: every tensor f32, or every tensor bf16, and of the same shape; results are
// rounded once.  Enqueued on `stream`; do not wait.  Throw InvalidArgument if shapes or types do
// not fit.

/// z = x + y.   z may be x or y
void add(Stream& stream, const TensorView& z, const TensorView& x, const TensorView& y);

/// y += factor x
void accumulate(Stream& stream, const TensorView& y, const TensorView& x, float factor = 1.0F);

/// y = factor x.   y may be x
void scale(Stream& stream, const TensorView& y, const TensorView& x, float factor);

/// y = x
void copy(Stream& stream, const TensorView& y, const TensorView& x);

/// y = x, which may be of the other one of these types: rounded to the nearest bf16 (of two that
/// are equally near, the even one), or widened.
void cast(Stream& stream, const TensorView& y, const TensorView& x);

/// y = value, everywhere
void fill(Stream& stream, const TensorView& y, float value);

}  // namespace lockflight::ops
