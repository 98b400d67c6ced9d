// Layer normalisation. Source: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), eq. 4.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// Normalises each row of x to mean 0 and variance 1, then scales and shifts it.
///   x, y         [.., C]          f32 or bf16, y as x; y may be x
///   gain, bias   [C]              f32
///   mean, rstd   one per row      f32; written for the backward functions
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void layer_norm(Stream& stream, const TensorView& y, const TensorView& mean, const TensorView& rstd,
                const TensorView& x, const TensorView& gain, const TensorView& bias,
                float epsilon = 1e-5F);

/// dx from dy.
///   dx, dy, x    [.., C]          all f32 or all bf16; dx may be dy
///   mean, rstd   one per row      f32, as layer_norm wrote them
///   gain         [C]              f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void layer_norm_backward_input(Stream& stream, const TensorView& dx, const TensorView& dy,
                               const TensorView& x, const TensorView& mean, const TensorView& rstd,
                               const TensorView& gain);

/// Adds the gradients of gain and bias to dgain and dbias.
///   dgain, dbias   [C]            f32
/// The others as above.  Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or
/// types do not fit.
void layer_norm_backward_weight(Stream& stream, const TensorView& dgain, const TensorView& dbias,
                                const TensorView& dy, const TensorView& x, const TensorView& mean,
                                const TensorView& rstd);

}  // namespace lockflight::ops
