// Causal self-attention of several heads, with its projections.
// Source: Vaswani et al. 2017 (arXiv:1706.03762), section 3.2.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"
#include "lockflight/nn/linear.h"

namespace lockflight::nn {

struct SelfAttentionConfig {
  std::int64_t width = 0;
  std::int64_t heads = 0;
  float dropout = 0;  ///< on what is returned
  Initializer weight = normal(0.02);
  Initializer projection = normal(0.02);
};

/// y = dropout(projection(attention(qkv(x)))).
///   x, y   [rows, T, width]   f32
/// Parameters: qkv.weight [width, 3 width], qkv.bias, projection.weight [width, width],
/// projection.bias.
class SelfAttention final : public Layer {
 public:
  /// Throws InvalidArgument if the heads do not divide the width, or unless 0 <= dropout < 1.
  explicit SelfAttention(SelfAttentionConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

  /// The same plus `residual` [rows, T, width]; the backward functions are those of `forward`.
  Tensor forward_onto(Context& context, Tensor x, const TensorView& residual, Saved& saved);

 private:
  const std::int64_t heads_;
  const float dropout_;
  Linear qkv_;
  Linear projection_;
};

}  // namespace lockflight::nn
