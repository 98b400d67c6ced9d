#include "lockflight/core/bfloat16.h"

#include <bit>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace lockflight {
namespace {

double value_of(std::uint16_t bits) {
  return static_cast<double>(std::bit_cast<float>(std::uint32_t{bits} << 16));
}

// By distances in f64, with infinity where the next one after the largest number would be.
std::uint16_t nearest(float value) {
  const auto below = static_cast<std::uint16_t>(std::bit_cast<std::uint32_t>(value) >> 16);
  const auto above = static_cast<std::uint16_t>(below + 1);
  const auto place = [](std::uint16_t bits) {
    return std::isinf(value_of(bits)) ? std::copysign(0x1p128, value_of(bits)) : value_of(bits);
  };
  const double to_below = std::abs(static_cast<double>(value) - place(below));
  const double to_above = std::abs(static_cast<double>(value) - place(above));
  if (to_below == to_above) {
    return below % 2 == 0 ? below : above;
  }
  return to_below < to_above ? below : above;
}

TEST(BFloat16Test, IsTheNearestOfTwoEquallyNearTheEvenOne) {
  constexpr std::uint32_t kInfinity = 0x7F800000;
  // Around every bf16, and halfway to the next: steps through all f32 would take minutes.
  for (std::uint32_t upper = 0; upper < kInfinity; upper += 0x10000) {
    for (const std::uint32_t lower : {0U, 1U, 0x7FFFU, 0x8000U, 0x8001U, 0xFFFFU}) {
      for (const std::uint32_t sign : {0U, 0x80000000U}) {
        const auto value = std::bit_cast<float>(sign | upper | lower);
        ASSERT_EQ(BFloat16(value).bits(), nearest(value)) << value;
      }
    }
  }
}

TEST(BFloat16Test, KeepsInfinityAndWhatIsNoNumber) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  EXPECT_EQ(static_cast<float>(BFloat16(kInfinity)), kInfinity);
  EXPECT_EQ(static_cast<float>(BFloat16(-kInfinity)), -kInfinity);
  for (const std::uint32_t nan : {0x7F800001U, 0x7FFFFFFFU, 0xFF800001U, 0xFFFFFFFFU}) {
    EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(nan)))));
  }
}

TEST(BFloat16Test, ComesBackFromF32AsItWas) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto value = std::bit_cast<float>(bits << 16);
    if (!std::isnan(value)) {
      ASSERT_EQ(BFloat16(value).bits(), bits);
      ASSERT_EQ(static_cast<float>(BFloat16(value)), value);
    }
  }
}

}  // namespace
}  // namespace lockflight
