// Matrix products on CUDA.

#pragma once

#include "lockflight/ops/matmul.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// c = op(a) op(b) + bias, or c += …; sums are f32.
///   a      [m, k], or [k, m] with transpose_a   f32 or bf16
///   b      [k, n], or [n, k] with transpose_b   as a
///   c      [m, n]                               f32 or bf16
///   bias   [n], added to every row, or empty    f32 or bf16
void matmul(Queue& queue, const TensorView& c, const TensorView& a, const TensorView& b,
            const MatmulOptions& options);

}  // namespace lockflight::ops::cuda
