// The loss of predicting tokens.

#pragma once

#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// The mean over all tokens of log(sum over v of exp(logits[v])) - logits[target].
///   outputs   logits [rows, T, V]   f32 or bf16
///   targets   [rows, T]             i32, each in 0 … V - 1
/// The gradient is computed along with the loss, if the context is training; else there is none.
class CrossEntropy final : public Loss {
 public:
  void forward(Context& context, Tensors outputs, const std::vector<TensorView>& targets,
               float scale, const TensorView& loss, Saved& saved) override;
  Tensors backward(Context& context, Saved& saved) override;
};

}  // namespace lockflight::nn
