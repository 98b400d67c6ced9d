// Clipping by the global norm, decided where the gradients are.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// What gradients are to be multiplied by so that their norm, the root of the sum of `sums`, is at
/// most max_norm: max_norm / norm if the norm is larger, otherwise 1, and NaN if it is not finite.
///   scale   []    f32
///   sums    [n]   f64, added up in ascending order: the sum of squares of each parameter's
///                 gradient
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit or
/// max_norm is not positive; infinity clips nothing.
/// Source: Pascanu, Mikolov, Bengio 2013 (arXiv:1211.5063), algorithm 1.
void clip_scale(Stream& stream, const TensorView& scale, const TensorView& sums, double max_norm);

}  // namespace lockflight::ops
