// bf16 on the host.

#pragma once

#include <bit>
#include <cstdint>

namespace lockflight {

/// The upper half of an f32: its sign, its exponent and 7 bits of its fraction.
class BFloat16 {
 public:
  BFloat16() = default;
  /// The nearest one, of two that are equally near the one that ends in 0.  NaN stays NaN.
  explicit constexpr BFloat16(float value) : bits_(rounded(std::bit_cast<std::uint32_t>(value))) {}
  explicit constexpr operator float() const {
    return std::bit_cast<float>(std::uint32_t{bits_} << 16);
  }

  constexpr std::uint16_t bits() const { return bits_; }

  /// Bit by bit.
  friend constexpr bool operator==(BFloat16 a, BFloat16 b) { return a.bits_ == b.bits_; }

 private:
  static constexpr std::uint16_t rounded(std::uint32_t f32) {
    constexpr std::uint32_t kQuiet = 0x40;
    const bool is_nan = (f32 & 0x7FFFFFFFU) > 0x7F800000U;
    const std::uint32_t odd = f32 >> 16 & 1;
    return static_cast<std::uint16_t>(is_nan ? f32 >> 16 | kQuiet : (f32 + 0x7FFF + odd) >> 16);
  }

  std::uint16_t bits_ = 0;
};

}  // namespace lockflight
