#include "ops/front_door.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::ops {

void Check::there(std::string_view name, const TensorView& tensor) const {
  if (!tensor) {
    refuse(fmt::format("{} is an empty tensor; allocate it first", name));
  }
}

void Check::type(std::string_view name, const TensorView& tensor, DType dtype) const {
  there(name, tensor);
  if (tensor.dtype() != dtype) {
    refuse(
        fmt::format("{} has type {}, expected {}", name, name_of(tensor.dtype()), name_of(dtype)));
  }
}

void Check::activation(std::string_view name, const TensorView& tensor) const {
  there(name, tensor);
  if (tensor.dtype() != DType::f32 && tensor.dtype() != DType::bf16) {
    refuse(fmt::format("{} has type {}, expected f32 or bf16", name, name_of(tensor.dtype())));
  }
}

void Check::shape(std::string_view name, const TensorView& tensor, const Shape& expected,
                  std::string_view reason, DType dtype) const {
  type(name, tensor, dtype);
  if (tensor.shape() != expected) {
    refuse(fmt::format("{} has shape {}, expected {} {}", name, to_string(tensor.shape()),
                       to_string(expected), reason));
  }
}

void Check::elements(std::string_view name, const TensorView& tensor, std::int64_t expected,
                     std::string_view reason, DType dtype) const {
  type(name, tensor, dtype);
  if (tensor.elements() != expected) {
    refuse(fmt::format("{} has shape {}, expected {} elements {}", name, to_string(tensor.shape()),
                       expected, reason));
  }
}

void Check::rank(std::string_view name, const TensorView& tensor, std::size_t expected,
                 std::string_view symbols, DType dtype) const {
  type(name, tensor, dtype);
  if (tensor.shape().rank() != expected) {
    refuse(fmt::format("{} has shape {}, expected {}", name, to_string(tensor.shape()), symbols));
  }
}

void Check::refuse(std::string_view message) const {
  throw InvalidArgument(fmt::format("{}: {}", operation_, message));
}

OpCost cost_per_element(std::string_view name, double flops_per_element,
                        std::initializer_list<TensorView> touched) {
  OpCost cost{.name = name,
              .flops = flops_per_element * static_cast<double>(touched.begin()->elements())};
  for (const TensorView& tensor : touched) {
    if (!tensor) {
      continue;
    }
    cost.bytes_moved += static_cast<double>(tensor.bytes());
    cost.dtype = tensor.dtype() == DType::bf16 ? DType::bf16 : cost.dtype;
  }
  return cost;
}

}  // namespace lockflight::ops
