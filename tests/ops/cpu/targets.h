// The instruction sets that CPU kernels are compiled for.

#pragma once

#include <cstdint>

#include <gtest/gtest.h>
#include <hwy/highway.h>

namespace lockflight::ops::cpu {

/// Calls body() under every instruction set that this machine has, and under the least.
template <class Body>
void on_every_target(const Body& body) {
  const std::int64_t supported = hwy::SupportedTargets();
  for (const std::int64_t target : {HWY_AVX3, HWY_AVX2, HWY_SCALAR}) {
    if ((supported & target) == 0 && target != HWY_SCALAR) {
      continue;
    }
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    body();
    hwy::SetSupportedTargetsForTest(0);
  }
}

}  // namespace lockflight::ops::cpu
