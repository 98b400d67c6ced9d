// What the tests of optimizers step with.

#pragma once

#include <array>
#include <cstdint>

#include <fmt/core.h>

#include "ops/values.h"

namespace lockflight::ops {

inline constexpr auto kCounts = std::to_array<std::int64_t>({1, 7, 64, 1024, 1025, 16384 + 9});
inline constexpr int kSteps = 5;

inline Floats gradient(std::int64_t count, int step) {
  return normal_values(count, fmt::format("gradient {}", step));
}

}  // namespace lockflight::ops
