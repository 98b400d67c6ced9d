// A layer beside an identity.

#pragma once

#include <memory>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// y = x + f(x).  x, f(x), y of one shape, all f32 or all bf16.  Parameters are those of f, under
/// the same names.
class Residual final : public Layer {
 public:
  explicit Residual(std::unique_ptr<Layer> f) : f_(std::move(f)) {}

  std::vector<Parameter*> parameters() override { return f_->parameters(); }
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  const std::unique_ptr<Layer> f_;
};

}  // namespace lockflight::nn
