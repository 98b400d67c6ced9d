#include "lockflight/core/tensor_spec.h"

#include <algorithm>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"

namespace lockflight {

Shape::Shape(std::initializer_list<std::int64_t> extents)
    : Shape(std::span<const std::int64_t>(extents.begin(), extents.size())) {}

Shape::Shape(std::span<const std::int64_t> extents) : rank_(extents.size()) {
  if (extents.size() > kMaxRank) {
    throw InvalidArgument(fmt::format("a shape of {} extents [{}]: at most {} are possible",
                                      extents.size(), fmt::join(extents, ", "), kMaxRank));
  }
  if (std::ranges::any_of(extents, [](std::int64_t extent) { return extent < 0; })) {
    throw InvalidArgument(
        fmt::format("a shape with a negative extent: [{}]", fmt::join(extents, ", ")));
  }
  std::ranges::copy(extents, extents_.begin());
}

std::int64_t Shape::rows() const {
  std::int64_t rows = 1;
  for (std::size_t i = 0; i + 1 < rank_; ++i) {
    rows *= extents_[i];
  }
  return rows;
}

std::string to_string(const Shape& shape) {
  return fmt::format("[{}]", fmt::join(shape.extents(), ", "));
}

std::string to_string(const TensorSpec& spec) {
  return fmt::format("{} {}", name_of(spec.dtype), to_string(spec.shape));
}

}  // namespace lockflight
