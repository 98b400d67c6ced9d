// Causal self-attention of several heads.
// Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2, without storing the scores: Dao et
// al. 2022 (arXiv:2205.14135).

#pragma once

#include "lockflight/device/device.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops {

/// Position t of each head gathers the values of positions 0 … t, weighted by the softmax of q . k
/// / sqrt(D), D = C / heads.
///   y             [B, T, C]       f32
///   log_sum_exp   [B, heads, T]   f32; written for attention_backward
///   qkv           [B, T, 3 C]     f32: the queries of all heads, then keys, then values
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void attention(Stream& stream, const TensorView& y, const TensorView& log_sum_exp,
               const TensorView& qkv, std::int64_t heads);

/// dqkv from dy and from what the forward pass was given and wrote.
///   dqkv, qkv     [B, T, 3 C]     f32
///   dy, y         [B, T, C]       f32
///   log_sum_exp   [B, heads, T]   f32
/// Enqueued on `stream`; does not wait.  Throws InvalidArgument if shapes or types do not fit.
void attention_backward(Stream& stream, const TensorView& dqkv, const TensorView& dy,
                        const TensorView& y, const TensorView& log_sum_exp, const TensorView& qkv,
                        std::int64_t heads);

}  // namespace lockflight::ops
