// Matrix products.

#pragma once

#include <string_view>

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

struct MatmulOptions {
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;  ///< add to c instead of overwriting it
  TensorView bias = {};     ///< [n] f32, added to every row; empty: none
};

/// c = op(a) op(b) + bias, or c += …, summed up in f32.  A tensor of more than two dimensions is
/// the matrix of its rows: [B, T, C] counts as [B T, C].
///   a   [m, k], or [k, m] with transpose_a   f32 or bf16
///   b   [k, n], or [n, k] with transpose_b   as a
///   c   [m, n]                               f32, or as a; neither a nor b
/// Weights are best kept as [in, out]: y = x W is the fastest product on a CPU.
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void matmul(Stream& stream, const TensorView& c, const TensorView& a, const TensorView& b,
            const MatmulOptions& options = {});

/// Why products of bf16 save no time on this machine's CPU, in one sentence; empty if they do.
std::string_view why_bf16_is_slow_on_cpu();

}  // namespace lockflight::ops
