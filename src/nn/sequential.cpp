#include "lockflight/nn/sequential.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "nn/parts.h"

namespace lockflight::nn {

void Sequential::add(const std::string& name, std::unique_ptr<Layer> layer) {
  name_part(name, *layer);
  layers_.push_back(std::move(layer));
}

std::vector<Parameter*> Sequential::parameters() {
  std::vector<Parameter*> parameters;
  for (const auto& layer : layers_) {
    std::ranges::copy(layer->parameters(), std::back_inserter(parameters));
  }
  return parameters;
}

Tensors Sequential::forward_all(Context& context, Tensors inputs, Saved& saved) {
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    Context inner = context.inner(i);
    inputs = layers_[i]->forward_all(inner, std::move(inputs), saved.inner(i));
  }
  return inputs;
}

Tensors Sequential::backward_input_all(Context& context, Tensors output_gradients, Saved& saved) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Context inner = context.inner(i);
    output_gradients =
        layers_[i]->backward_input_all(inner, std::move(output_gradients), saved.inner(i));
    const auto given = [](const Tensor& gradient) { return static_cast<bool>(gradient); };
    if (i > 0 && !std::ranges::all_of(output_gradients, given)) {
      throw InvalidArgument(
          fmt::format("sequential: layer {} of {} has no gradient for its input, so the layers "
                      "before it cannot learn; put it first",
                      i, layers_.size()));
    }
  }
  return output_gradients;
}

void Sequential::backward_weight(Context& context, Saved& saved) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    Context inner = context.inner(i);
    layers_[i]->backward_weight(inner, saved.inner(i));
    saved.inner(i) = {};
  }
}

}  // namespace lockflight::nn
