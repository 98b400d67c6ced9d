#include "lockflight/nn/layer.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "nn/tensors.h"

namespace lockflight::nn {
namespace {

// Of a default that nobody has overridden.
[[noreturn]] void throw_missing(std::string_view function) {
  throw InvalidArgument(
      fmt::format("layer: {} for one tensor was called, but this layer does not have it; override "
                  "it, or call {}_all",
                  function, function));
}

}  // namespace

Context Context::inner(std::size_t number) const {
  Context context = *this;
  // Distinct for every path of containers: one step of a linear congruential generator per level.
  context.seed = (seed + number + 1) * 0x9E3779B97F4A7C15U;
  return context;
}

std::size_t Saved::keep(Tensor tensor) {
  tensors_.push_back(std::move(tensor));
  return tensors_.size() - 1;
}

Saved& Saved::inner(std::size_t number) {
  while (inner_.size() <= number) {
    inner_.emplace_back();
  }
  return inner_[number];
}

Tensor Layer::forward(Context& /*context*/, Tensor /*x*/, Saved& /*saved*/) {
  throw_missing("forward");
}

Tensor Layer::backward_input(Context& /*context*/, Tensor /*dy*/, Saved& /*saved*/) {
  throw_missing("backward_input");
}

void Layer::backward_weight(Context& /*context*/, Saved& /*saved*/) {}

Tensors Layer::forward_all(Context& context, Tensors inputs, Saved& saved) {
  return list_of(forward(context, only_one(std::move(inputs), "forward"), saved));
}

Tensors Layer::backward_input_all(Context& context, Tensors output_gradients, Saved& saved) {
  return list_of(
      backward_input(context, only_one(std::move(output_gradients), "backward_input"), saved));
}

}  // namespace lockflight::nn
