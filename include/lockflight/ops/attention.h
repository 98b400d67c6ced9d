// Causal self-attention of several heads.
// Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2, without storing the scores: Dao et
// al. 2022 (arXiv:2205.14135); with keys and values shared by groups of heads: Ainslie et al. 2023
// (arXiv:2305.13245), section 2.2.

#pragma once

#include <cstdint>

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

struct AttentionHeads {
  std::int64_t queries = 0;     ///< H; D = C / H
  std::int64_t key_values = 0;  ///< K, which divides H: head h sees keys and values h / (H / K)
};

/// Position t of each head gathers the values of positions 0 … t, weighted by the softmax of q . k
/// / sqrt(D).
///   y             [B, T, C]             f32 or bf16
///   log_sum_exp   [B, H, T]             f32; written for attention_backward
///   qkv           [B, T, (H + 2 K) D]   as y: the queries of all heads, then keys, then values
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void attention(Stream& stream, const TensorView& y, const TensorView& log_sum_exp,
               const TensorView& qkv, AttentionHeads heads);

/// dqkv from dy and from what the forward pass was given and wrote.
///   dqkv, qkv     [B, T, (H + 2 K) D]   f32 or bf16
///   dy, y         [B, T, C]             as qkv
///   log_sum_exp   [B, H, T]             f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void attention_backward(Stream& stream, const TensorView& dqkv, const TensorView& dy,
                        const TensorView& y, const TensorView& log_sum_exp, const TensorView& qkv,
                        AttentionHeads heads);

}  // namespace lockflight::ops
