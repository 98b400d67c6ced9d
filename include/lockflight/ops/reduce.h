// Sums, in an order that depends on shapes alone.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// Adds the sum of each column of x to sums: the gradient of a bias.
///   sums   [C]       f32
///   x      [.., C]   f32 or bf16
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void column_sum(Stream& stream, const TensorView& sums, const TensorView& x);

/// result = the mean of all elements of x, added up in f64.
///   result   []          f32
///   x        any shape   f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void mean(Stream& stream, const TensorView& result, const TensorView& x);

/// result = the sum of the squares of all elements of x, added up in f64: for the norm of
/// gradients.
///   result   []          f64
///   x        any shape   f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void sum_of_squares(Stream& stream, const TensorView& result, const TensorView& x);

}  // namespace lockflight::ops
