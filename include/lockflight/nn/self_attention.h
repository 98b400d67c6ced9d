// Causal self-attention of several heads, with its projections.
// Sources: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2; Ainslie et al. 2023
// (arXiv:2305.13245) for shared keys and values; Su et al. 2021 (arXiv:2104.09864) for rotation.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"
#include "lockflight/nn/linear.h"
#include "lockflight/ops/attention.h"
#include "lockflight/ops/rope.h"

namespace lockflight::nn {

struct SelfAttentionConfig {
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;  ///< shared by groups of heads; 0: each head has its own
  double rotary_base = 0;            ///< of rotary position embedding; 0: none
  bool bias = true;                  ///< of both products
  float dropout = 0;                 ///< on what is returned
  DType dtype = DType::f32;          ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
  Initializer projection = normal(0.02);
};

/// y = dropout(projection(attention(rotated(qkv(x))))), see ops::attention and ops::rope.
///   x, y   [rows, T, width]   f32 or bf16
/// Parameters: qkv.weight [width, width + 2 key_value_heads width / heads], qkv.bias,
/// projection.weight [width, width], projection.bias.
class SelfAttention final : public Layer {
 public:
  /// Throws InvalidArgument if the heads do not divide the width or the heads of keys and values
  /// not the heads, if there are channels to be rotated without a partner, or unless 0 <= dropout
  /// < 1.
  explicit SelfAttention(SelfAttentionConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

  /// The same plus `residual` [rows, T, width]; the backward functions are those of `forward`.
  Tensor forward_onto(Context& context, Tensor x, const TensorView& residual, Saved& saved);

 private:
  const ops::AttentionHeads heads_;
  const ops::RopeOptions rope_;  // base 0: nothing is rotated
  const float dropout_;
  Linear qkv_;
  Linear projection_;
};

}  // namespace lockflight::nn
