// Activations of either type, computed on in f32.
//
// A kernel computes on f32.  An activation may be bf16: then every thread widens the piece that it
// works on into scratch, computes there, and rounds the results.  f32 is computed on where it lies.

#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lockflight/core/bfloat16.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops::cpu {

/// Elements of f32 or bf16 that are read.
class ConstValues {
 public:
  // NOLINTBEGIN(google-explicit-constructor): a tensor is values, and so is an array of f32
  ConstValues(const float* f32) : data_(f32) {}
  ConstValues(const TensorView& tensor) : data_(tensor.data()), dtype_(tensor.dtype()) {}
  // NOLINTEND(google-explicit-constructor)
  ConstValues(const void* elements, DType dtype) : data_(elements), dtype_(dtype) {}

  bool is_f32() const { return dtype_ == DType::f32; }
  const float* f32(std::int64_t at = 0) const { return static_cast<const float*>(data_) + at; }
  const BFloat16* bf16(std::int64_t at = 0) const {
    return static_cast<const BFloat16*>(data_) + at;
  }

 private:
  const void* data_;
  DType dtype_ = DType::f32;
};

/// The same, that are written too; or nothing.
class Values {
 public:
  // NOLINTBEGIN(google-explicit-constructor): as above
  Values(float* f32) : data_(f32) {}
  Values(std::nullptr_t) {}
  Values(const TensorView& tensor) : data_(tensor.data()), dtype_(tensor.dtype()) {}
  operator ConstValues() const { return {data_, dtype_}; }
  // NOLINTEND(google-explicit-constructor)

  explicit operator bool() const { return data_ != nullptr; }
  bool is_f32() const { return dtype_ == DType::f32; }
  float* f32(std::int64_t at = 0) const { return static_cast<float*>(data_) + at; }
  BFloat16* bf16(std::int64_t at = 0) const { return static_cast<BFloat16*>(data_) + at; }

 private:
  void* data_ = nullptr;
  DType dtype_ = DType::f32;
};

/// The piece of some activations that a thread works on.  One at a time on a thread; takes
/// thread_scratch other than number 0.
class Tile {
 public:
  /// So many activations at most.
  static constexpr std::size_t kMost = 4;

  Tile() = default;
  Tile(const Tile&) = delete;
  Tile& operator=(const Tile&) = delete;
  /// Brings to their place what was computed for bf16.
  ~Tile() {
    for (std::size_t i = 0; i < results_; ++i) {
      round(pending_[i]);
    }
  }

  /// Elements at … at + count - 1 in f32.
  const float* read(ConstValues values, std::int64_t at, std::int64_t count) {
    return values.is_f32() ? values.f32(at) : widened(values.bf16(at), count);
  }
  /// Where these elements are to be written, in f32; what is there before is of no meaning.
  float* write(Values values, std::int64_t at, std::int64_t count) {
    return values.is_f32() ? values.f32(at) : result(values.bf16(at), scratch(count), count);
  }
  /// The same, and there they are as they were.
  float* update(Values values, std::int64_t at, std::int64_t count) {
    return values.is_f32() ? values.f32(at)
                           : result(values.bf16(at), widened(values.bf16(at), count), count);
  }

 private:
  struct Result {
    BFloat16* to;
    const float* from;
    std::int64_t count;
  };

  float* scratch(std::int64_t count);
  float* widened(const BFloat16* values, std::int64_t count);
  float* result(BFloat16* to, float* from, std::int64_t count);
  static void round(const Result& result);

  std::size_t used_ = 0;
  std::size_t results_ = 0;
  std::array<Result, kMost> pending_;
};

}  // namespace lockflight::ops::cpu
