// The second half of a transformer block.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer_norm.h"
#include "lockflight/nn/linear.h"

namespace lockflight::nn {

struct MlpHalfConfig {
  std::int64_t width = 0;
  std::int64_t hidden = 0;   ///< usually 4 width
  float dropout = 0;         ///< on what is added to x
  DType dtype = DType::f32;  ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
  Initializer projection = normal(0.02);
};

/// y = x + dropout(projection(gelu(expand(norm(x))))).
///   x, y   [.., width]   f32 or bf16
/// Parameters: norm.gain, norm.bias, expand.weight [width, hidden], expand.bias, projection.weight
/// [hidden, width], projection.bias.
class MlpHalf final : public Layer {
 public:
  /// Throws InvalidArgument unless 0 <= dropout < 1.
  explicit MlpHalf(MlpHalfConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  const float dropout_;
  LayerNorm norm_;
  Linear expand_;
  Linear projection_;
};

}  // namespace lockflight::nn
