// The first half of a transformer block.

#pragma once

#include <vector>

#include "lockflight/nn/layer_norm.h"
#include "lockflight/nn/self_attention.h"

namespace lockflight::nn {

/// y = x + self_attention(norm(x)).
///   x, y   [rows, T, width]   f32 or bf16
/// Parameters: norm.gain, norm.bias, then those of SelfAttention.
class AttentionHalf final : public Layer {
 public:
  /// Throws as SelfAttention does.
  explicit AttentionHalf(SelfAttentionConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  LayerNorm norm_;
  SelfAttention attention_;
};

}  // namespace lockflight::nn
