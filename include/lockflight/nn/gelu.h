// GELU in its tanh form. Source: Hendrycks, Gimpel 2016 (arXiv:1606.08415), section 2.

#pragma once

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// y = gelu(x).  x, y of one shape, f32 or bf16.
class Gelu final : public Layer {
 public:
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
};

}  // namespace lockflight::nn
