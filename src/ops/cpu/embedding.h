// Token embedding plus position embedding.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

struct EmbeddingShape {
  std::int64_t batch;       // B
  std::int64_t length;      // T
  std::int64_t channels;    // C
  std::int64_t vocabulary;  // V
};

/// y[b, t] = token_table[tokens[b, t]] + position_table[t]
///   y                [B, T, C]
///   tokens           [B, T], each in 0 … V - 1
///   token_table      [V, C]
///   position_table   [at least T, C], or null
/// Throws InvalidArgument if a token is outside.
void embedding(Team& team, Values y, const std::int32_t* tokens, const float* token_table,
               const float* position_table, EmbeddingShape shape);

/// Adds dy [B, T, C] to the rows of dtoken_table and dposition_table (or null) that it came from,
/// in ascending order of b, t.
void embedding_backward(Team& team, float* dtoken_table, float* dposition_table, ConstValues dy,
                        const std::int32_t* tokens, EmbeddingShape shape);

}  // namespace lockflight::ops::cpu
