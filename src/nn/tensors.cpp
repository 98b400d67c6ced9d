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

}  // namespace lockflight::nn
