// Dropout by counter-based random numbers: the mask is a function of key and place, never stored.

#pragma once

#include "lockflight/core/random.h"
#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// y[e] = x[e] / (1 - rate) with probability 1 - rate, else 0.  Element e is dropped if its word of
/// `philox(key, ..)` is below rate 2^32.  The gradient is the same function of dy with the same
/// key.
///   x, y   the same shape   f32 or bf16, y as x; y may be x
///   rate   0 <= rate < 1
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes, types or rate do not
/// fit. Source: Srivastava et al. 2014, JMLR 15, section 4.
void dropout(Stream& stream, const TensorView& y, const TensorView& x, float rate,
             const RandomKey& key);

}  // namespace lockflight::ops
