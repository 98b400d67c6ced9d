// What the virtual GPU host says to bugs in the product.  Each test runs twice: with the bug, which
// must be reported, and without, where nothing must be (LOCKFLIGHT_PLANTED=yes or no).

#include <array>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/device/cuda_device.h"
#include "lockflight/ops/attention.h"
#include "lockflight/ops/dropout.h"
#include "lockflight/ops/matmul.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

/// A tensor that fills an allocation, so that nothing lies behind it.
class Alone {
 public:
  explicit Alone(const Shape& shape) : spec_{shape} {
    EXPECT_EQ(cudaMalloc(&data_, spec_.bytes()), cudaSuccess);
  }
  ~Alone() { cudaFree(data_); }
  Alone(const Alone&) = delete;
  Alone& operator=(const Alone&) = delete;
  operator TensorView() const { return {static_cast<std::byte*>(data_), spec_}; }

 private:
  TensorSpec spec_;
  void* data_ = nullptr;
};

class PlantedTest : public testing::Test {
 protected:
  Stream& stream() { return *stream_; }

  /// Has run() make tensors and operate on them.  The kind is reported if the bug is planted, and
  /// nothing if it is not.
  template <class Run>
  void expect_report(const std::string& kind, const Run& run) {
    run();
    std::vector<std::string> kinds;
    for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
      kinds.push_back(report.kind);
    }
    const char* planted = std::getenv("LOCKFLIGHT_PLANTED");
    if (planted != nullptr && planted == std::string_view("yes")) {
      EXPECT_THAT(kinds, testing::Contains(kind));
    } else {
      EXPECT_THAT(kinds, testing::IsEmpty());
    }
  }

  Device& device() { return *device_; }

 private:
  static std::unique_ptr<Device> make_device() {
    constexpr std::array<int, 1> kFirst = {0};
    return std::move(make_cuda_devices(kFirst).front());
  }

  const std::unique_ptr<Device> device_ = make_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
};

TEST_F(PlantedTest, AKernelWritesBehindItsTensor) {
  expect_report("out of bounds", [&] {
    const Alone x({1023});
    ops::dropout(stream(), x, x, 0.5F, {.seed = 1});
    device().synchronize();
  });
}

TEST_F(PlantedTest, AKernelForgetsABarrier) {
  expect_report("shared memory race", [&] {
    const Alone y({1, 70, 32});
    const Alone log_sum_exp({1, 1, 70});
    const Alone qkv({1, 70, 96});
    ops::attention(stream(), y, log_sum_exp, qkv, {.queries = 1, .key_values = 1});
    device().synchronize();
  });
}

TEST_F(PlantedTest, AProductHasAWrongLeadingDimension) {
  expect_report("out of bounds", [&] {
    const Alone c({6, 3});
    const Alone a({6, 4});
    const Alone b({4, 3});
    ops::matmul(stream(), c, a, b);
    device().synchronize();
  });
}

}  // namespace
}  // namespace lockflight
