// Causal self-attention of several heads, several of which may share their keys and values.
//
// Works on blocks of query rows and, for each, on blocks of keys up to the diagonal, with the
// softmax corrected as the keys go by, so nothing of size T x T is ever stored. Sources: Milakov,
// Gimelshein 2018 (arXiv:1805.02867), algorithm 3; Dao et al. 2022 (arXiv:2205.14135), algorithms 1
// and 4; Ainslie et al. 2023 (arXiv:2305.13245), section 2.2, for shared keys and values.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

struct AttentionShape {
  std::int64_t batch;            // B
  std::int64_t length;           // T
  std::int64_t heads;            // H
  std::int64_t key_value_heads;  // K, which divides H
  std::int64_t channels;         // C, a multiple of H
};

/// y[b, t, h] = sum over s <= t of softmax_s(q[b, t, h] . k[b, s, g] / sqrt(D)) v[b, s, g]
/// where g is h divided by H / K, rounded down.
///   y               [B, T, H, D]
///   log_sum_exp     [B, H, T], of the scaled scores; written for attention_backward
///   qkv             [B, T, H + 2 K, D]: queries, keys, values
void attention(Team& team, Values y, float* log_sum_exp, ConstValues qkv, AttentionShape shape);

/// dqkv [B, T, H + 2 K, D] from dy, y [B, T, H, D] and what the forward pass was given and wrote.
void attention_backward(Team& team, Values dqkv, ConstValues dy, ConstValues y,
                        const float* log_sum_exp, ConstValues qkv, AttentionShape shape);

}  // namespace lockflight::ops::cpu
