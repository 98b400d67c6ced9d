// Pointers that lead where they must not, and memory's limits.

#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/kernels/faulty.h"
#include "virtual_gpu/test_support.h"

namespace virtual_gpu_test {
namespace {

using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::IsNan;

using MemoryRuleTest = OnVirtualGpu;

TEST_F(MemoryRuleTest, FreshMemoryIsNotANumber) {
  const DeviceArray<float> fresh(64);
  EXPECT_THAT(fresh.read(), Each(IsNan()));
}

// Device memory is ordinary memory here.
TEST_F(MemoryRuleTest, FreedMemoryIsOverwritten) {
  for (const int size : {10, 1000000}) {
    const float* freed = nullptr;
    {
      const DeviceArray<float> x(std::vector<float>(size, 1));
      freed = x.data();
      EXPECT_EQ(freed[size / 2], 1);
    }
    EXPECT_NE(freed[0], 1);
    EXPECT_NE(freed[size / 2], 1);
    EXPECT_NE(freed[size - 1], 1);
  }
}

TEST_F(MemoryRuleTest, AKernelThatLeavesItsBufferIsReported) {
  const Stream stream;
  const DeviceArray<float> y(100);
  check(fill_to_the_end(stream.get(), false, y.data(), 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(fill_to_the_end(stream.get(), true, y.data(), 100));
  check(poll(stream.get()));
  const auto reports = virtual_gpu::take_reports();
  ASSERT_EQ(reports.size(), 1);
  EXPECT_EQ(reports[0].kind, "out of bounds");
  EXPECT_THAT(reports[0].text,
              HasSubstr("fill_to_the_end (operation 2 of device 0 stream 1) writes "
                        "512 bytes of device 0"));
  EXPECT_THAT(reports[0].text, HasSubstr("112 bytes past the end of the 400 bytes"));
}

TEST_F(MemoryRuleTest, WhatAKernelCopiesAtOnceIsSeenToo) {
  const Stream stream;
  const DeviceArray<float> x(iota(100));
  const DeviceArray<float> y(100);
  check(copy_at_once(stream.get(), false, y.data(), x.data(), 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
  EXPECT_THAT(y.read(), testing::ElementsAreArray(iota(100)));
  check(copy_at_once(stream.get(), true, y.data(), x.data(), 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds", "out of bounds"));
}

TEST_F(MemoryRuleTest, ACopyThatLeavesItsBufferFails) {
  const Stream stream;
  const DeviceArray<float> x(iota(100));
  const DeviceArray<float> y(100);
  EXPECT_EQ(cudaMemcpyAsync(y.data(), x.data(), 400, cudaMemcpyDeviceToDevice, stream.get()),
            cudaSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
  EXPECT_EQ(cudaMemcpyAsync(y.data() + 1, x.data(), 400, cudaMemcpyDeviceToDevice, stream.get()),
            cudaErrorInvalidValue);
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds"));
  EXPECT_EQ(cudaMemsetAsync(y.data() + 1, 0, 400, stream.get()), cudaErrorInvalidValue);
  EXPECT_THAT(reported_kinds(), ElementsAre("out of bounds"));
}

TEST_F(MemoryRuleTest, ACopyAgainstItsDirectionFails) {
  const DeviceArray<float> x(iota(100));
  const DeviceArray<float> y(100);
  EXPECT_EQ(cudaMemcpy(y.data(), x.data(), 400, cudaMemcpyHostToDevice),
            cudaErrorInvalidMemcpyDirection);
  EXPECT_THAT(reported_kinds(), ElementsAre("wrong direction"));
  EXPECT_EQ(cudaMemcpy(y.data(), x.data(), 400, cudaMemcpyDefault), cudaSuccess);
  EXPECT_THAT(y.read(), testing::ElementsAreArray(iota(100)));
}

TEST_F(MemoryRuleTest, MemoryUsedAfterItWasFreedIsReported) {
  const Stream stream;
  float* freed = nullptr;
  {
    const DeviceArray<float> x(iota(100));
    freed = x.data();
    check(fill(stream.get(), freed, 1, 100));
  }  // which waits for the device
  EXPECT_THAT(reported_kinds(), IsEmpty());
  check(fill(stream.get(), freed, 1, 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("use after free"));
}

TEST_F(MemoryRuleTest, MemoryIsFreedOnceAndWhereItBegins) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, 100));
  EXPECT_EQ(cudaFree(static_cast<char*>(memory) + 1), cudaErrorInvalidValue);
  EXPECT_THAT(reported_kinds(), ElementsAre("bad free"));
  EXPECT_EQ(cudaFreeHost(memory), cudaErrorInvalidValue);
  EXPECT_THAT(reported_kinds(), ElementsAre("bad free"));
  EXPECT_EQ(cudaFree(memory), cudaSuccess);
  EXPECT_THAT(reported_kinds(), IsEmpty());
  EXPECT_EQ(cudaFree(memory), cudaErrorInvalidValue);
  EXPECT_THAT(reported_kinds(), ElementsAre("bad free"));
  EXPECT_EQ(cudaFree(nullptr), cudaSuccess);
}

TEST_F(MemoryRuleTest, AnotherDevicesMemoryNeedsPeerAccess) {
  const Stream stream;
  check(cudaSetDevice(1));
  const DeviceArray<float> x(iota(100));
  check(cudaSetDevice(0));
  const DeviceArray<float> y(iota(100));
  check(axpy(stream.get(), y.data(), x.data(), 1, 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("foreign memory"));
  check(cudaMemcpyAsync(y.data(), x.data(), 400, cudaMemcpyDefault, stream.get()));
  check(cudaMemcpyPeerAsync(y.data(), 0, x.data(), 1, 400, stream.get()));
  check(cudaDeviceEnablePeerAccess(1, 0));
  check(axpy(stream.get(), y.data(), x.data(), 1, 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MemoryRuleTest, PageableMemoryInAKernelIsReported) {
  const Stream stream;
  const DeviceArray<float> y(iota(100));
  const std::vector<float> pageable = iota(100);
  check(axpy(stream.get(), y.data(), pageable.data(), 1, 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), ElementsAre("host memory in a kernel"));
  const PinnedArray<float> pinned(100);
  check(axpy(stream.get(), y.data(), pinned.data(), 1, 100));
  check(poll(stream.get()));
  EXPECT_THAT(reported_kinds(), IsEmpty());
}

TEST_F(MemoryRuleTest, PageableMemoryIsReadBeforeACopyReturns) {
  const Stream stream;
  std::vector<float> pageable = iota(100);
  const DeviceArray<float> x(100);
  check(cudaMemcpyAsync(x.data(), pageable.data(), 400, cudaMemcpyHostToDevice, stream.get()));
  pageable.assign(100, 0);
  check(cudaMemcpyAsync(pageable.data(), x.data(), 400, cudaMemcpyDeviceToHost, stream.get()));
  EXPECT_THAT(pageable, testing::ElementsAreArray(iota(100)));
}

TEST_F(MemoryRuleTest, ADeviceHasSoMuchMemory) {
  virtual_gpu::set_memory(1000);
  std::size_t free = 0;
  std::size_t total = 0;
  void* first = nullptr;
  void* second = nullptr;
  check(cudaMalloc(&first, 600));
  check(cudaMemGetInfo(&free, &total));
  EXPECT_EQ(free, 400);
  EXPECT_EQ(total, 1000);
  EXPECT_EQ(cudaMalloc(&second, 401), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaErrorMemoryAllocation);
  EXPECT_EQ(cudaGetLastError(), cudaSuccess);
  check(cudaMalloc(&second, 400));
  check(cudaFree(first));
  check(cudaFree(second));
}

TEST_F(MemoryRuleTest, PointersSayWhereTheyBelong) {
  check(cudaSetDevice(2));
  const DeviceArray<float> device(1);
  const PinnedArray<float> pinned(1);
  const float pageable = 0;
  cudaPointerAttributes attributes{};
  check(cudaPointerGetAttributes(&attributes, device.data()));
  EXPECT_EQ(attributes.type, cudaMemoryTypeDevice);
  EXPECT_EQ(attributes.device, 2);
  check(cudaPointerGetAttributes(&attributes, pinned.data()));
  EXPECT_EQ(attributes.type, cudaMemoryTypeHost);
  check(cudaPointerGetAttributes(&attributes, &pageable));
  EXPECT_EQ(attributes.type, cudaMemoryTypeUnregistered);
}

}  // namespace
}  // namespace virtual_gpu_test
