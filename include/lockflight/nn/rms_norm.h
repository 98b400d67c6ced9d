// Root mean square normalisation. Source: Zhang, Sennrich 2019 (arXiv:1910.07467), eq. 4.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// Divides each row by its root mean square, then scales it.
///   x, y   [.., width]   f32 or bf16
///   gain   [width]       ones
class RmsNorm final : public Layer {
 public:
  explicit RmsNorm(std::int64_t width);

  std::vector<Parameter*> parameters() override { return {&gain_}; }
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  Parameter gain_;
};

}  // namespace lockflight::nn
