// The first half of a block of Llama.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/rms_norm.h"
#include "lockflight/nn/self_attention.h"

namespace lockflight::nn {

struct LlamaAttentionHalfConfig {
  std::int64_t width = 0;
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;  ///< shared by groups of heads; 0: each head has its own
  double rotary_base = 10000;
  DType dtype = DType::f32;  ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
  Initializer projection = normal(0.02);
};

/// y = x + self_attention(norm(x)), with rotary positions and without biases.
///   x, y   [rows, T, width]   f32 or bf16
/// Parameters: norm.gain, qkv.weight, projection.weight, shaped as those of SelfAttention.
class LlamaAttentionHalf final : public Layer {
 public:
  /// Throws as SelfAttention does.
  explicit LlamaAttentionHalf(LlamaAttentionHalfConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  RmsNorm norm_;
  SelfAttention attention_;
};

}  // namespace lockflight::nn
