// GELU in its tanh form. Source: Hendrycks, Gimpel 2016 (arXiv:1606.08415), section 2.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// y = gelu(x).
///   x, y   the same shape   f32 or bf16, y as x; y may be x
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void gelu(Stream& stream, const TensorView& y, const TensorView& x);

/// dx = dy gelu'(x).
///   dx, dy, x   the same shape   all f32 or all bf16; dx may be dy
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void gelu_backward(Stream& stream, const TensorView& dx, const TensorView& dy, const TensorView& x);

/// y = gelu(x + bias).
///   x, y   [.., C]   f32 or bf16, y as x; y may be x
///   bias   [C]       f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void bias_gelu(Stream& stream, const TensorView& y, const TensorView& x, const TensorView& bias);

/// dx = dy gelu'(x + bias), and adds the column sums of that, before it is rounded, to dbias.
///   dx, dy, x     [.., C]   all f32 or all bf16; dx may be dy
///   bias, dbias   [C]       f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void bias_gelu_backward(Stream& stream, const TensorView& dx, const TensorView& dbias,
                        const TensorView& dy, const TensorView& x, const TensorView& bias);

}  // namespace lockflight::ops
