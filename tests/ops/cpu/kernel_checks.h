// What the tests of the CPU kernels share.

#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <ostream>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/core.h>
#include <gtest/gtest.h>
#include <hwy/highway.h>

#include "lockflight/core/random.h"
#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

inline void PrintTo(const MatrixShape& shape, std::ostream* out) {
  *out << shape.rows << "x" << shape.columns;
}

/// Normally distributed values that depend on count and name alone.
inline Floats normal_values(std::int64_t count, std::string_view name, double scale = 1.0) {
  Random random({.seed = hash_name(name)});
  Floats values(static_cast<std::size_t>(count));
  for (float& value : values) {
    value = static_cast<float>(scale * random.next_normal());
  }
  return values;
}

inline std::vector<std::int32_t> tokens_below(std::int64_t bound, std::int64_t count) {
  Random random({.seed = 77});
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(count));
  for (std::int32_t& token : tokens) {
    token = static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(bound)));
  }
  return tokens;
}

inline Doubles to_doubles(const Floats& x) { return {x.begin(), x.end()}; }

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

/// Has compute(team, result) fill `result` under every instruction set that the kernels are
/// compiled for and this machine has; expects the bits not to depend on the size of the team nor on
/// the alignment of `result`, and calls check(result) for each set.
template <class Compute, class Check>
void on_every_target(const Floats& initial, const Compute& compute, const Check& check) {
  const std::int64_t supported = hwy::SupportedTargets();
  for (const std::int64_t target : {HWY_AVX3, HWY_AVX2, HWY_SCALAR}) {
    if ((supported & target) == 0 && target != HWY_SCALAR) {
      continue;
    }
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    Floats first;
    for (const int threads : {1, 2, 3}) {
      Team team(threads);
      for (const std::size_t shift : {0, 1}) {
        Floats shifted(initial.size() + shift);
        std::copy(initial.begin(), initial.end(), shifted.begin() + shift);
        compute(team, shifted.data() + shift);
        const Floats result(shifted.begin() + shift, shifted.end());
        if (first.empty()) {
          first = result;
        }
        ASSERT_TRUE(std::equal(first.begin(), first.end(), result.begin()))
            << threads << " threads, shifted by " << shift;
      }
    }
    check(first);
    hwy::SetSupportedTargetsForTest(0);
  }
}

/// The same, from zeros, against expected values.
template <class Compute>
void expect_on_every_target(const Doubles& expected, double tolerance, const Compute& compute,
                            float initial = 0.0F) {
  on_every_target(Floats(expected.size(), initial), compute,
                  [&](const Floats& result) { expect_close(result, expected, tolerance); });
}

}  // namespace lockflight::ops::cpu
