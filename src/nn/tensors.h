// Between one tensor and a list of one.

#pragma once

#include <string_view>
#include <vector>

#include "lockflight/device/tensor.h"

namespace lockflight::nn {

Tensors list_of(Tensor tensor);

/// The tensor in a list of one.  Throws InvalidArgument, naming `where`, if there are more or none.
Tensor only_one(Tensors tensors, std::string_view where);

/// The same of a loss's targets.
TensorView only_target(const std::vector<TensorView>& targets, std::string_view loss);

}  // namespace lockflight::nn
