// A matrix product with an optional bias.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

struct LinearConfig {
  std::int64_t inputs = 0;
  std::int64_t outputs = 0;
  bool bias = true;
  DType dtype = DType::f32;  ///< of x, f32 or bf16
  Initializer weight = normal(0.02);
};

/// y = x W + b.
///   x        [.., inputs]         f32 or bf16
///   y        [.., outputs]        as x
///   weight   [inputs, outputs]    drawn by LinearConfig::weight
///   bias     [outputs]            zeros; absent if LinearConfig::bias is false
class Linear final : public Layer {
 public:
  explicit Linear(LinearConfig config);

  std::vector<Parameter*> parameters() override;
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

  /// y = residual + x W + b in one go; the backward functions are those of `forward`.
  ///   residual   [.., outputs]   as x
  Tensor forward_onto(Context& context, Tensor x, const TensorView& residual, Saved& saved);

 private:
  TensorView bias() const;

  const bool has_bias_;
  Parameter weight_;
  Parameter bias_;
};

}  // namespace lockflight::nn
