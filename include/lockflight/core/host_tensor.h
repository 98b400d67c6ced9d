// A tensor in ordinary host memory: data on its way in, results on their way out.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lockflight/core/tensor_spec.h"

namespace lockflight {

/// A value: copies copy the elements.
class HostTensor {
 public:
  HostTensor() = default;
  /// All bytes zero.
  explicit HostTensor(const TensorSpec& spec) : spec_(spec), bytes_(spec.bytes()) {}

  const TensorSpec& spec() const { return spec_; }
  std::byte* data() { return bytes_.data(); }
  const std::byte* data() const { return bytes_.data(); }

  /// The elements as T.  The caller knows that spec().dtype is T's.
  template <typename T>
  std::span<T> as() {
    return {reinterpret_cast<T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }
  template <typename T>
  std::span<const T> as() const {
    return {reinterpret_cast<const T*>(bytes_.data()), bytes_.size() / sizeof(T)};
  }

 private:
  TensorSpec spec_;
  std::vector<std::byte> bytes_;
};

}  // namespace lockflight
