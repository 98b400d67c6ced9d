#include "lockflight/device/tensor.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight {

TensorView TensorView::slice(std::int64_t first, std::int64_t count) const {
  const Shape& shape = spec_.shape;
  if (shape.rank() == 0 || first < 0 || count < 0 || count > shape[0] - first) {
    throw InvalidArgument(
        fmt::format("slice: {} entries from {} on do not exist in a tensor of shape {}", count,
                    first, to_string(shape)));
  }
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::ranges::copy(shape.extents(), extents.begin());
  extents[0] = count;
  const TensorSpec part{Shape(std::span<const std::int64_t>(extents.data(), shape.rank())),
                        spec_.dtype};
  const std::size_t entry_bytes = shape[0] == 0 ? 0 : bytes() / static_cast<std::size_t>(shape[0]);
  return {data_ + static_cast<std::size_t>(first) * entry_bytes, part};
}

TensorView TensorView::reshaped(const Shape& shape) const {
  if (shape.elements() != elements()) {
    throw InvalidArgument(fmt::format("reshaped: shape {} does not have the {} elements of {}",
                                      to_string(shape), elements(), to_string(spec_.shape)));
  }
  return {data_, {shape, spec_.dtype}};
}

}  // namespace lockflight
