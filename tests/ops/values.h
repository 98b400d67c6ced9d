// Numbers for the tests of operations.

#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/random.h"

namespace lockflight::ops {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Tokens = std::vector<std::int32_t>;
using Bf16s = std::vector<BFloat16>;

/// A matrix that a test runs on.
struct Extents {
  std::int64_t rows;
  std::int64_t columns;
};

/// A row for every block, tails of columns, several blocks of rows.
inline constexpr auto kActivationExtents =
    std::to_array<Extents>({{1, 1}, {3, 7}, {64, 16}, {131, 257}, {3, 1031}});

/// One column, tails, a row of more columns than a block has threads, and more rows than are added
/// up in one piece.
inline constexpr auto kExtentsOfSums =
    std::to_array<Extents>({{1, 1}, {3, 7}, {129, 31}, {2, 384}, {71, 1031}, {5001, 3}});

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Normally distributed values that depend on count and name alone.
inline Floats normal_values(std::int64_t count, std::string_view name, double scale = 1.0) {
  Random random({.seed = hash_name(name)});
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = static_cast<float>(scale * random.next_normal());
  }
  return values;
}

inline Tokens tokens_below(std::int64_t bound, std::int64_t count) {
  Random random({.seed = 77});
  Tokens tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(bound)));
  }
  return tokens;
}

inline Bf16s to_bf16(const Floats& x) {
  Bf16s rounded;
  for (const float value : x) {
    rounded.emplace_back(value);
  }
  return rounded;
}

inline Floats from_bf16(const Bf16s& x) {
  Floats widened;
  for (const BFloat16 value : x) {
    widened.push_back(static_cast<float>(value));
  }
  return widened;
}

inline Doubles to_doubles(const Floats& x) { return {x.begin(), x.end()}; }
inline Floats to_floats(const Doubles& x) { return {x.begin(), x.end()}; }

/// One vector after another.
template <typename T>
std::vector<T> joined(const std::vector<T>& first, const std::vector<T>& second) {
  std::vector<T> both = first;
  both.insert(both.end(), second.begin(), second.end());
  return both;
}

/// |actual - expected| <= tolerance (1 + |expected|) for every element.
inline void expect_close(const Floats& actual, const Doubles& expected, double tolerance,
                         const std::string& what = "") {
  ASSERT_EQ(actual.size(), expected.size()) << what;
  for (std::size_t i = 0; i < actual.size(); ++i) {
    const double error = std::abs(static_cast<double>(actual[i]) - expected[i]);
    ASSERT_LE(error, tolerance * (1.0 + std::abs(expected[i])))
        << what << " element " << i << ": " << actual[i] << ", expected " << expected[i];
  }
}

}  // namespace lockflight::ops
