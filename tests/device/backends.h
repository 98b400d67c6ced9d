// The kinds of devices that compute, as values for tests: one body, all backends.
//
//   INSTANTIATE_TEST_SUITE_P(On, GeluTest, testing::ValuesIn(kBackends), backend_name);
//
// A test whose backend is missing here is skipped, and says why; with
// LOCKFLIGHT_REQUIRE_BACKEND=cuda it fails.

#pragma once

#include <array>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <ostream>
#include <string>
#include <string_view>
#include <utility>

#include <gtest/gtest.h>

#include "lockflight/device/cpu_device.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {

inline constexpr std::array<DeviceKind, 2> kBackends = {DeviceKind::cpu, DeviceKind::cuda};

inline void PrintTo(DeviceKind kind, std::ostream* out) { *out << name_of(kind); }

inline std::string backend_name(const testing::TestParamInfo<DeviceKind>& info) {
  return std::string(name_of(info.param));
}

/// For SetUp: without a device of this kind the body of the test is not run.
inline void require_backend(DeviceKind kind) {
  if (kind != DeviceKind::cuda) {
    return;
  }
  const CudaSupport support = cuda_support();
  if (support.usable()) {
    std::cout << "[  device  ] cuda 0: " << support.devices.front().name << '\n';
    return;
  }
  const char* required = std::getenv("LOCKFLIGHT_REQUIRE_BACKEND");
  if (required != nullptr && std::string_view(required) == "cuda") {
    FAIL() << "cuda: " << support.why_not;
  }
  GTEST_SKIP() << "cuda: " << support.why_not;
}

/// The first device of this kind; a CPU's operations share their work among `threads` threads.
inline std::unique_ptr<Device> make_device(DeviceKind kind, int threads = 1) {
  if (kind == DeviceKind::cuda) {
    constexpr std::array<int, 1> kFirst = {0};
    return std::move(make_cuda_devices(kFirst).front());
  }
  return make_cpu_device({.threads = threads});
}

}  // namespace lockflight
