// Between one tensor and a list of one.

#pragma once

#include <string_view>

#include "lockflight/device/tensor.h"

namespace lockflight::nn {

Tensors list_of(Tensor tensor);

/// The tensor in a list of one.  Throws InvalidArgument, naming `where`, if there are more or none.
Tensor only_one(Tensors tensors, std::string_view where);

}  // namespace lockflight::nn
