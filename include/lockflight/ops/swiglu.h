// The gated unit SwiGLU. Source: Shazeer 2020 (arXiv:2002.05202), eq. 5, without its products.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// y = silu(gate) * up with silu(g) = g / (1 + e^-g).
///   y   [.., F]     as x
///   x   [.., 2 F]   f32 or bf16: in each row the F gates, then the F values of up
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void swiglu(Stream& stream, const TensorView& y, const TensorView& x);

/// dx from dy.
///   dx, x   [.., 2 F]   f32 or bf16; dx may be x
///   dy      [.., F]     as x
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void swiglu_backward(Stream& stream, const TensorView& dx, const TensorView& dy,
                     const TensorView& x);

}  // namespace lockflight::ops
