#include "lockflight/nn/recompute.h"

#include <cstddef>

namespace lockflight::nn {

// The context stays the layer's own, and with it the random numbers.

Tensors Recompute::forward_all(Context& context, Tensors inputs, Saved& saved) {
  for (const Tensor& input : inputs) {
    saved.keep(input.share());
  }
  Saved dropped;
  return layer_->forward_all(context, std::move(inputs), dropped);
}

void Recompute::run_again(Context& context, Saved& saved) {
  if (saved.size() == 0 || !saved[0]) {
    return;  // the inputs went into the other run
  }
  Tensors inputs;
  for (std::size_t i = 0; i < saved.size(); ++i) {
    inputs.push_back(saved.take(i));
  }
  layer_->forward_all(context, std::move(inputs), saved.inner(0));
}

Tensors Recompute::backward_input_all(Context& context, Tensors output_gradients, Saved& saved) {
  run_again(context, saved);
  return layer_->backward_input_all(context, std::move(output_gradients), saved.inner(0));
}

void Recompute::backward_weight(Context& context, Saved& saved) {
  layer_->backward_weight(context, saved.inner(0));
}

}  // namespace lockflight::nn
