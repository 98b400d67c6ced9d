#include "nn/tensors.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::nn {

Tensors list_of(Tensor tensor) {
  Tensors tensors;
  tensors.push_back(std::move(tensor));
  return tensors;
}

Tensor only_one(Tensors tensors, std::string_view where) {
  if (tensors.size() != 1) {
    throw InvalidArgument(
        fmt::format("layer: {} was given {} tensors, but this layer works on exactly 1; fit the "
                    "layer before it, or override {}_all",
                    where, tensors.size(), where));
  }
  return std::move(tensors.front());
}

TensorView only_target(const std::vector<TensorView>& targets, std::string_view loss) {
  if (targets.size() != 1) {
    throw InvalidArgument(fmt::format(
        "{}: was given {} tensors of targets, but compares with exactly 1", loss, targets.size()));
  }
  return targets.front();
}

}  // namespace lockflight::nn
