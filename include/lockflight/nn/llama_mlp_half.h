// The second half of a block of Llama.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/linear.h"
#include "lockflight/nn/rms_norm.h"

namespace lockflight::nn {

struct LlamaMlpHalfConfig {
  std::int64_t width = 0;
  std::int64_t hidden = 0;   ///< usually 8/3 width, rounded up
  DType dtype = DType::f32;  ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
  Initializer projection = normal(0.02);
};

/// y = x + projection(silu(gate) * up) where gate and up are the halves of gate_up(norm(x)), see
/// ops::swiglu.
///   x, y   [.., width]   f32 or bf16
/// Parameters: norm.gain, gate_up.weight [width, 2 hidden], projection.weight [hidden, width].
class LlamaMlpHalf final : public Layer {
 public:
  explicit LlamaMlpHalf(LlamaMlpHalfConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  RmsNorm norm_;
  Linear gate_up_;
  Linear projection_;
};

}  // namespace lockflight::nn
