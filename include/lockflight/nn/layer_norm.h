// Layer normalisation. Source: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), eq. 4.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// Normalises each row to mean 0 and variance 1, then scales and shifts it.
///   x, y   [.., width]   f32 or bf16
///   gain   [width]       ones
///   bias   [width]       zeros
class LayerNorm final : public Layer {
 public:
  explicit LayerNorm(std::int64_t width);

  std::vector<Parameter*> parameters() override { return {&gain_, &bias_}; }
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  Parameter gain_;
  Parameter bias_;
};

}  // namespace lockflight::nn
