// The loss of regression.

#pragma once

#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// The mean over all elements of (output - target)^2.
///   outputs, targets   one of one shape   all f32 or all bf16
/// The gradient is computed along with the loss, if the context is training; else there is none.
class MeanSquaredError final : public Loss {
 public:
  void forward(Context& context, Tensors outputs, const std::vector<TensorView>& targets,
               float scale, const TensorView& loss, Saved& saved) override;
  Tensors backward(Context& context, Saved& saved) override;
};

}  // namespace lockflight::nn
