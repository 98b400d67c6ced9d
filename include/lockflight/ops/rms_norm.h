// Root mean square normalisation. Source: Zhang, Sennrich 2019 (arXiv:1910.07467), eq. 4.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// Divides each row of x by its root mean square, then scales it.
///   x, y   [.., C]          f32 or bf16, y as x; y may be x
///   gain   [C]              f32
///   rstd   one per row      f32, 1 / sqrt(mean(x^2) + epsilon); written for the backward functions
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void rms_norm(Stream& stream, const TensorView& y, const TensorView& rstd, const TensorView& x,
              const TensorView& gain, float epsilon = 1e-5F);

/// dx from dy.
///   dx, dy, x   [.., C]          all f32 or all bf16; dx may be dy
///   rstd        one per row      f32, as rms_norm wrote it
///   gain        [C]              f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void rms_norm_backward_input(Stream& stream, const TensorView& dx, const TensorView& dy,
                             const TensorView& x, const TensorView& rstd, const TensorView& gain);

/// Adds the gradient of gain to dgain.
///   dgain   [C]   f32
/// The others as above.  Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or
/// types do not fit.
void rms_norm_backward_weight(Stream& stream, const TensorView& dgain, const TensorView& dy,
                              const TensorView& x, const TensorView& rstd);

}  // namespace lockflight::ops
