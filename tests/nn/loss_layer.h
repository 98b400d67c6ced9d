// A loss as a layer, for the gradient check: y [] = loss(x, targets).

#pragma once

#include <utility>
#include <vector>

#include "lockflight/nn/layer.h"
#include "lockflight/ops/elementwise.h"
#include "nn/two_tensor_model.h"

namespace lockflight::nn {

class LossLayer final : public Layer {
 public:
  LossLayer(Loss& loss, Tensor targets) : loss_(loss), targets_(std::move(targets)) {}

  Tensor forward(Context& context, Tensor x, Saved& saved) override {
    Tensor y = context.empty({});
    Tensors outputs;
    outputs.push_back(std::move(x));
    loss_.forward(context, std::move(outputs), {targets_}, 1.0F, y, saved.inner(0));
    return y;
  }

  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override {
    Tensors gradients = loss_.backward(context, saved.inner(0));
    Tensor dx = context.empty(gradients.at(0).spec());
    two_tensors::for_each_element(
        context, dx,
        [dx = dx.view().as<float>(), gradient = gradients[0].view().as<float>(),
         dy = dy.view().as<float>()](std::int64_t i, std::int64_t) { dx[i] = gradient[i] * *dy; });
    return dx;
  }

 private:
  Loss& loss_;
  Tensor targets_;
};

}  // namespace lockflight::nn
