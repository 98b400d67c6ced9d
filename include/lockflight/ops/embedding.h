// Token embedding plus position embedding.

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// y[b, t] = token_table[tokens[b, t]] + position_table[t]
///   y                [B, T, C]             f32 or bf16
///   tokens           [B, T]                i32, each in 0 … V - 1
///   token_table      [V, C]                f32
///   position_table   [at least T, C]       f32; empty: none
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.  A
/// token outside the vocabulary makes the device fail when the operation runs.
void embedding(Stream& stream, const TensorView& y, const TensorView& tokens,
               const TensorView& token_table, const TensorView& position_table);

/// Adds dy to the rows of the tables that it came from, in ascending order of (b, t).
///   dtoken_table      [V, C]               f32
///   dposition_table   [at least T, C]      f32; empty: none
///   dy                [B, T, C]            f32 or bf16
///   tokens            [B, T]               i32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.  A
/// token outside the vocabulary makes the device fail when the operation runs.
void embedding_backward(Stream& stream, const TensorView& dtoken_table,
                        const TensorView& dposition_table, const TensorView& dy,
                        const TensorView& tokens);

}  // namespace lockflight::ops
