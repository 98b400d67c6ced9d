// Element types of tensors.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace lockflight {

enum class DType : std::uint8_t { f32, bf16, f64, i32 };

/// Size of one element in bytes.
constexpr std::size_t size_of(DType dtype) {
  switch (dtype) {
    case DType::bf16:
      return 2;
    case DType::f64:
      return 8;
    case DType::f32:
    case DType::i32:
      return 4;
  }
  return 0;
}

/// "f32", "bf16", "f64" or "i32".
constexpr std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::f32:
      return "f32";
    case DType::bf16:
      return "bf16";
    case DType::f64:
      return "f64";
    case DType::i32:
      return "i32";
  }
  return "?";
}

}  // namespace lockflight
