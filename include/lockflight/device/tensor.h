// Tensors: dense, row-major, on one device.
//
// `Tensor` owns memory, `TensorView` borrows it.  Memory is handed out and taken back in the order
// of the host's calls, without waiting for the device: what was freed may be handed out again at
// once.  That is safe among the operations of one stream, which run in the order in which they were
// enqueued; work on another stream that touches the memory must be ordered by events.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "lockflight/core/tensor_spec.h"

namespace lockflight {

class Device;

/// A borrowed tensor: an address on some device and what lies there.  Does not keep the memory
/// alive.
class TensorView {
 public:
  TensorView() = default;
  TensorView(std::byte* data, const TensorSpec& spec) : data_(data), spec_(spec) {}

  const TensorSpec& spec() const { return spec_; }
  const Shape& shape() const { return spec_.shape; }
  DType dtype() const { return spec_.dtype; }
  std::int64_t elements() const { return spec_.elements(); }
  std::size_t bytes() const { return spec_.bytes(); }
  std::byte* data() const { return data_; }
  /// The elements as T.  The caller knows that dtype() is T's.
  template <typename T>
  T* as() const {
    return reinterpret_cast<T*>(data_);
  }
  explicit operator bool() const { return data_ != nullptr; }

  /// Entries first … first + count - 1 of the outermost dimension.  Throws InvalidArgument if they
  /// do not exist.
  TensorView slice(std::int64_t first, std::int64_t count) const;
  /// The same bytes in another shape.  Throws InvalidArgument if the number of elements differs.
  TensorView reshaped(const Shape& shape) const;

 private:
  std::byte* data_ = nullptr;
  TensorSpec spec_;
};

/// An owned tensor.  Moves, and is empty afterwards; `share()` makes a second owner of the same
/// bytes, and the last owner frees them.
class Tensor {
 public:
  Tensor() = default;
  Tensor(Tensor&& other) noexcept
      : storage_(std::move(other.storage_)), view_(std::exchange(other.view_, {})) {}
  Tensor& operator=(Tensor&& other) noexcept {
    storage_ = std::move(other.storage_);
    view_ = std::exchange(other.view_, {});
    return *this;
  }
  Tensor(const Tensor&) = delete;
  Tensor& operator=(const Tensor&) = delete;
  ~Tensor() = default;

  const TensorSpec& spec() const { return view_.spec(); }
  TensorView view() const { return view_; }
  operator TensorView() const {
    return view_;
  }  // NOLINT(google-explicit-constructor): a tensor is a view
  explicit operator bool() const { return static_cast<bool>(view_); }

  Tensor share() const { return Tensor(storage_, view_); }
  /// Whether nobody else owns the bytes, so that they may be overwritten by who holds this.
  bool sole_owner() const { return storage_.use_count() == 1; }

 private:
  friend class Device;
  Tensor(std::shared_ptr<void> storage, const TensorView& view)
      : storage_(std::move(storage)), view_(view) {}

  std::shared_ptr<void> storage_;
  TensorView view_;
};

/// What crosses a stage boundary: usually one tensor.
using Tensors = std::vector<Tensor>;

}  // namespace lockflight
