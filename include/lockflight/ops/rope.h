// Rotary position embedding. Source: Su et al. 2021 (arXiv:2104.09864), eq. 34, with channel i
// paired with i + D/2 rather than with its neighbour.
//
// Either pairing is the other one after the same permutation of the channels of queries and keys,
// which their scores do not see; pairs half a head apart fill whole vectors.  Weights of programs
// that pair neighbours need their columns permuted.

#pragma once

#include <cstdint>

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

struct RopeOptions {
  std::int64_t heads = 0;       ///< the first so many heads of each row are rotated
  std::int64_t head_width = 0;  ///< D, even
  double base = 10000;          ///< of the angles, which at position t are t base^(-2 i / D)
};

/// Rotates, in place, the pairs (i, i + D/2) of channels, i = 0 … D/2 - 1, of every rotated head by
/// their angles.
///   x   [B, T, at least heads D]   f32 or bf16: the heads one after another, then what stays as it
///                                  is
/// Given queries, keys and values as `attention` takes them, it rotates queries and keys if `heads`
/// counts both.  Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes, types or
/// options do not fit.
void rope(Stream& stream, const TensorView& x, RopeOptions options);

/// Turns the gradient of what came out into that of what went in: rotates back, in place.
///   dx   as x above
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes, types or options do not
/// fit.
void rope_backward(Stream& stream, const TensorView& dx, RopeOptions options);

}  // namespace lockflight::ops
