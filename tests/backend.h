// Tests that run on every backend there is: one body, a value parameter for the backend.
//
//   class GeluTest : public test::BackendTest {};
//   INSTANTIATE_TEST_SUITE_P(On, GeluTest, test::all_backends(), test::backend_name);
//
// Where a backend is missing its tests are skipped, with the reason;
// LOCKFLIGHT_REQUIRE_BACKEND=cuda makes that a failure.

#pragma once

#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <gtest/gtest.h>

#include "lockflight/device/cpu_device.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {

inline void PrintTo(DeviceKind kind, std::ostream* out) { *out << name_of(kind); }

namespace test {

inline auto all_backends() { return testing::Values(DeviceKind::cpu, DeviceKind::cuda); }

inline std::string backend_name(const testing::TestParamInfo<DeviceKind>& info) {
  return std::string(name_of(info.param));
}

/// Why there is no such backend here.
inline std::optional<std::string> missing(DeviceKind kind) {
  if (kind != DeviceKind::cuda) {
    return std::nullopt;
  }
  const CudaSupport support = cuda_support();
  return support.usable() ? std::nullopt : std::optional(support.why_not);
}

inline bool required(DeviceKind kind) {
  const char* backend = std::getenv("LOCKFLIGHT_REQUIRE_BACKEND");
  return backend != nullptr && backend == name_of(kind);
}

/// A test that needs a backend says so in its SetUp.  Prints the device.
inline void need(DeviceKind kind) {
  if (const auto why = missing(kind)) {
    if (required(kind)) {
      FAIL() << name_of(kind) << " is required, but " << *why;
    }
    GTEST_SKIP() << *why;
  }
  if (kind == DeviceKind::cuda) {
    std::cout << "on " << cuda_support().devices.front().name << '\n';
  }
}

inline std::unique_ptr<Device> make_device(DeviceKind kind) {
  constexpr int kFirst = 0;
  return kind == DeviceKind::cuda ? std::move(make_cuda_devices({&kFirst, 1}).front())
                                  : make_cpu_device();
}

/// Has a device of the backend that is its parameter.
class BackendTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    need(GetParam());
    if (!IsSkipped() && !HasFatalFailure()) {
      device_ = make_device(GetParam());
    }
  }

  Device& device() { return *device_; }

 private:
  std::unique_ptr<Device> device_;
};

}  // namespace test
}  // namespace lockflight
