// Causal self-attention of several heads on CUDA, several of which may share their keys and values.
//
// Blocks of query rows meet the keys up to the diagonal tile by tile, with the softmax corrected as
// they go by, so nothing of size T x T is ever stored. Sources: Milakov, Gimelshein 2018
// (arXiv:1805.02867), algorithm 3; Dao et al. 2022 (arXiv:2205.14135), algorithms 1 and 4; Ainslie
// et al. 2023 (arXiv:2305.13245), section 2.2, for shared keys and values.

#pragma once

#include "lockflight/ops/attention.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y[b, t, h] = sum over s <= t of softmax_s(q[b, t, h] . k[b, s, g] / sqrt(D)) v[b, s, g]
/// where g is h divided by H / K, rounded down.
///   y               [B, T, H, D]         f32 or bf16
///   log_sum_exp     [B, H, T]            f32, of the scaled scores; written for the backward pass
///   qkv             [B, T, H + 2 K, D]   queries, keys, values
/// Throws InvalidArgument if D is larger than 128.
void attention(Queue& queue, const TensorView& y, const TensorView& log_sum_exp,
               const TensorView& qkv, AttentionHeads heads);

/// dqkv [B, T, H + 2 K, D] from dy, y [B, T, H, D] and what the forward pass was given and wrote.
/// Throws InvalidArgument if D is larger than 128.
void attention_backward(Queue& queue, const TensorView& dqkv, const TensorView& dy,
                        const TensorView& y, const TensorView& log_sum_exp, const TensorView& qkv,
                        AttentionHeads heads);

}  // namespace lockflight::ops::cuda
