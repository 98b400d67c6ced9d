// From vectors to logits over the vocabulary.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

struct HeadConfig {
  std::int64_t width = 0;
  std::int64_t vocabulary = 0;
  DType dtype = DType::f32;  ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
};

/// y = x W^T.
///   x        [.., width]           f32 or bf16
///   y        [.., vocabulary]      as x
///   weight   [vocabulary, width]   laid out as an embedding's tokens, so that the two can be tied
class Head final : public Layer {
 public:
  explicit Head(HeadConfig config);

  std::vector<Parameter*> parameters() override { return {&weight_}; }
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  Parameter weight_;
};

}  // namespace lockflight::nn
