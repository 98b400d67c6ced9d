// Dropout. Source: Srivastava et al. 2014, JMLR 15, section 4.

#pragma once

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// Sets elements to zero with probability `rate` and divides the others by 1 - rate; does nothing
/// unless the context is training.  Which elements, follows from the context alone, so nothing is
/// kept.
class Dropout final : public Layer {
 public:
  /// Throws InvalidArgument unless 0 <= rate < 1.
  explicit Dropout(float rate);

  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;

 private:
  const float rate_;
};

}  // namespace lockflight::nn
