// Calls that fail on demand, and what happens at the end of a process.

#include <cstdlib>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::Each;
using testing::ExitedWithCode;

using FaultTest = OnVirtualGpu;

TEST_F(FaultTest, TheNthCallOfAFunctionFails) {
  const Stream stream;
  const DeviceArray<float> y(10);
  virtual_gpu::fail_call("cudaMemsetAsync", 2, cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(y.data(), 0, 40, stream.get()), cudaSuccess);
  EXPECT_EQ(virtual_gpu::failed_calls(), 0);
  EXPECT_EQ(cudaMemsetAsync(y.data(), 0, 40, stream.get()), cudaErrorInvalidValue);
  EXPECT_EQ(cudaGetLastError(), cudaErrorInvalidValue);
  EXPECT_EQ(cudaMemsetAsync(y.data(), 0, 40, stream.get()), cudaSuccess);
  EXPECT_EQ(virtual_gpu::failed_calls(), 1);
  EXPECT_EQ(virtual_gpu::calls("cudaMemsetAsync"), 3);
  EXPECT_EQ(virtual_gpu::all_calls().at("cudaMemsetAsync"), 3);
  EXPECT_FALSE(virtual_gpu::all_calls().contains("cudaMemcpy"));
}

TEST_F(FaultTest, TheNthCallOfAnyFunctionFails) {
  const DeviceArray<float> y(10);
  const auto before = virtual_gpu::calls("");
  int device = 0;
  virtual_gpu::fail_call("", 3, cudaErrorUnknown);
  EXPECT_EQ(cudaSetDevice(1), cudaSuccess);
  EXPECT_EQ(cudaGetDevice(&device), cudaSuccess);
  EXPECT_EQ(cudaSetDevice(0), cudaErrorUnknown);
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
  EXPECT_EQ(virtual_gpu::calls("") - before, 4);
}

TEST_F(FaultTest, AFaultThatIsForgottenDoesNotHappen) {
  virtual_gpu::fail_call("cudaSetDevice", 1, cudaErrorUnknown);
  virtual_gpu::clear_faults();
  EXPECT_EQ(cudaSetDevice(0), cudaSuccess);
}

TEST_F(FaultTest, AKernelThatFailsTakesItsDeviceAlong) {
  const Stream stream;
  const Stream other;
  check(cudaSetDevice(1));
  const Stream elsewhere;
  check(cudaSetDevice(0));
  const DeviceArray<float> y(10);
  virtual_gpu::fail_call("kernel", 1, cudaErrorIllegalAddress);
  EXPECT_EQ(fill(stream.get(), y.data(), 1, 10), cudaSuccess);
  EXPECT_EQ(poll(stream.get()), cudaErrorIllegalAddress);
  EXPECT_EQ(poll(other.get()), cudaErrorIllegalAddress);
  EXPECT_EQ(poll(elsewhere.get()), cudaSuccess);
}

TEST_F(FaultTest, AResetDeviceIsAsNew) {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  void* memory = nullptr;
  check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
  check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
  check(cudaMalloc(&memory, 40));
  virtual_gpu::fail_call("kernel", 1, cudaErrorIllegalAddress);
  check(fill(stream, static_cast<float*>(memory), 1, 10));
  EXPECT_EQ(poll(stream), cudaErrorIllegalAddress);
  check(cudaDeviceReset());
  const Stream fresh;
  const DeviceArray<float> y(10);
  check(fill(fresh.get(), y.data(), 1, 10));
  check(poll(fresh.get()));
  EXPECT_THAT(y.read(), Each(1));
}

class EndTest : public OnVirtualGpu {
 protected:
  void SetUp() override {
    OnVirtualGpu::SetUp();
    GTEST_FLAG_SET(death_test_style, "threadsafe");
  }
};

TEST_F(EndTest, MemoryThatIsNeverFreedIsReported) {
  const auto run = [](bool planted) {
    void* memory = nullptr;
    check(cudaMalloc(&memory, 1000));
    if (!planted) {
      check(cudaFree(memory));
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(true), ExitedWithCode(86), "leak: 1000 bytes in 1 allocations of device 0");
  EXPECT_EXIT(run(false), ExitedWithCode(0), "");
}

TEST_F(EndTest, PinnedMemoryThatIsNeverFreedIsReported) {
  const auto run = [](bool planted) {
    void* memory = nullptr;
    check(cudaMallocHost(&memory, 1000));
    if (!planted) {
      check(cudaFreeHost(memory));
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(true), ExitedWithCode(86), "leak: 1000 bytes in 1 allocations of pinned memory");
  EXPECT_EXIT(run(false), ExitedWithCode(0), "");
}

TEST_F(EndTest, AStreamThatIsNeverDestroyedIsReported) {
  const auto run = [](bool planted) {
    cudaStream_t stream = nullptr;
    check(cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking));
    if (!planted) {
      check(cudaStreamDestroy(stream));
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(true), ExitedWithCode(86), "leak: device 0 stream 1 is never destroyed");
  EXPECT_EXIT(run(false), ExitedWithCode(0), "");
}

TEST_F(EndTest, AnEventThatIsNeverDestroyedIsReported) {
  const auto run = [](bool planted) {
    cudaEvent_t event = nullptr;
    check(cudaEventCreateWithFlags(&event, cudaEventDisableTiming));
    if (!planted) {
      check(cudaEventDestroy(event));
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(true), ExitedWithCode(86), "leak: 1 events are never destroyed");
  EXPECT_EXIT(run(false), ExitedWithCode(0), "");
}

TEST_F(EndTest, AReportThatNobodyTakesEndsTheProcessWith86) {
  const auto run = [](bool taken) {
    EXPECT_NE(cudaFree(&taken), cudaSuccess);
    if (taken) {
      virtual_gpu::take_reports();
    }
    std::exit(0);
  };
  EXPECT_EXIT(run(false), ExitedWithCode(86), "1 reports, so this process ends with status 86");
  EXPECT_EXIT(run(true), ExitedWithCode(0), "");
}

}  // namespace
}  // namespace virtual_gpu_test
