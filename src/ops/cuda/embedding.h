// Token embedding plus position embedding on CUDA.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y[b, t] = token_table[tokens[b, t]] + position_table[t]
///   y                [B, T, C]         f32 or bf16
///   tokens           [B, T]            each in 0 … V - 1; a complaint if one is not
///   token_table      [V, C]            f32
///   position_table   [at least T, C]   f32, or empty
void embedding(Queue& queue, const TensorView& y, const TensorView& tokens,
               const TensorView& token_table, const TensorView& position_table);

/// Adds dy [B, T, C] to the rows of dtoken_table and dposition_table (or empty) that it came from,
/// in ascending order of b, t.
void embedding_backward(Queue& queue, const TensorView& dtoken_table,
                        const TensorView& dposition_table, const TensorView& dy,
                        const TensorView& tokens);

}  // namespace lockflight::ops::cuda
