// Shape and element type of a tensor, without its memory.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>

#include "lockflight/core/dtype.h"

namespace lockflight {

/// Extents of a dense row-major tensor, outermost first.  At most kMaxRank of them; none at all is
/// a scalar.
class Shape {
 public:
  static constexpr std::size_t kMaxRank = 4;

  Shape() = default;
  /// Throws InvalidArgument if there are more than kMaxRank extents or one is negative.
  Shape(std::initializer_list<std::int64_t> extents);
  explicit Shape(std::span<const std::int64_t> extents);

  std::size_t rank() const { return rank_; }
  std::int64_t operator[](std::size_t dimension) const { return extents_[dimension]; }
  /// The last extent: the row length of the tensor seen as a matrix; 1 for a scalar.
  std::int64_t columns() const { return rank_ == 0 ? 1 : extents_[rank_ - 1]; }
  /// The product of all extents but the last; 1 for a scalar.
  std::int64_t rows() const;
  std::int64_t elements() const { return rows() * columns(); }
  std::span<const std::int64_t> extents() const { return {extents_.data(), rank_}; }

  friend bool operator==(const Shape&, const Shape&) = default;

 private:
  std::array<std::int64_t, kMaxRank> extents_{};
  std::size_t rank_ = 0;
};

/// "[4, 256, 768]"; a scalar is "[]".
std::string to_string(const Shape& shape);

struct TensorSpec {
  Shape shape;
  DType dtype = DType::f32;

  std::int64_t elements() const { return shape.elements(); }
  std::size_t bytes() const { return static_cast<std::size_t>(elements()) * size_of(dtype); }

  friend bool operator==(const TensorSpec&, const TensorSpec&) = default;
};

/// "f32 [4, 256, 768]"
std::string to_string(const TensorSpec& spec);

}  // namespace lockflight
