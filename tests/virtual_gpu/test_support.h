// Owners of what tests make on a device.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <numeric>
#include <stdexcept>
#include <string>
#include <vector>

#include <cuda.h>
#include <cuda_runtime_api.h>
#include <gtest/gtest.h>

#include "virtual_gpu/control.h"

namespace virtual_gpu_test {

inline void check(cudaError_t status) {
  if (status != cudaSuccess) {
    throw std::runtime_error(cudaGetErrorName(status));
  }
}

/// A test of what only the virtual machine does.
class OnVirtualGpu : public testing::Test {
 protected:
  void SetUp() override {
    if (!virtual_gpu::present()) {
      GTEST_SKIP() << "this is a real GPU";
    }
  }
};

/// The kinds of all reports so far, which are taken.
inline std::vector<std::string> reported_kinds() {
  std::vector<std::string> kinds;
  for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
    kinds.push_back(report.kind);
  }
  return kinds;
}

/// 0, 1, 2, ...
inline std::vector<float> iota(int n) {
  std::vector<float> values(n);
  std::iota(values.begin(), values.end(), 0.0F);
  return values;
}

/// A stream of the current device.
class Stream {
 public:
  Stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking)); }
  ~Stream() { cudaStreamDestroy(stream_); }
  Stream(const Stream&) = delete;
  Stream& operator=(const Stream&) = delete;
  cudaStream_t get() const { return stream_; }

 private:
  cudaStream_t stream_ = nullptr;
};

class Event {
 public:
  Event() { check(cudaEventCreateWithFlags(&event_, cudaEventDisableTiming)); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

/// Waits until a stream has run all that it holds, by asking.
inline cudaError_t poll(cudaStream_t stream) {
  for (;;) {
    const cudaError_t status = cudaStreamQuery(stream);
    if (status != cudaErrorNotReady) {
      return status;
    }
  }
}

using StreamMemoryFunction = CUresult (*)(CUstream stream, CUdeviceptr word, cuuint32_t value,
                                          unsigned flags);

inline StreamMemoryFunction stream_memory_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  check(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found));
  return reinterpret_cast<StreamMemoryFunction>(function);
}

/// Enqueues: the stream waits until the word is at least `value`.
inline void wait_value(cudaStream_t stream, std::uint32_t* word, std::uint32_t value) {
  const auto wait = stream_memory_function("cuStreamWaitValue32");
  ASSERT_EQ(wait(stream, reinterpret_cast<CUdeviceptr>(word), value, CU_STREAM_WAIT_VALUE_GEQ),
            CUDA_SUCCESS);
}
/// Enqueues: the stream sets the word.
inline void write_value(cudaStream_t stream, std::uint32_t* word, std::uint32_t value) {
  const auto write = stream_memory_function("cuStreamWriteValue32");
  ASSERT_EQ(
      write(stream, reinterpret_cast<CUdeviceptr>(word), value, CU_STREAM_WRITE_VALUE_DEFAULT),
      CUDA_SUCCESS);
}

/// Words in pinned memory, zero at first.
template <typename T>
class PinnedArray {
 public:
  explicit PinnedArray(int size) {
    void* data = nullptr;
    check(cudaMallocHost(&data, size * sizeof(T)));
    data_ = static_cast<T*>(data);
    std::fill_n(data_, size, T{});
  }
  ~PinnedArray() { cudaFreeHost(data_); }
  PinnedArray(const PinnedArray&) = delete;
  PinnedArray& operator=(const PinnedArray&) = delete;
  T* data() const { return data_; }

 private:
  T* data_ = nullptr;
};

/// Memory of the current device.
template <typename T>
class DeviceArray {
 public:
  explicit DeviceArray(int size) : size_(size) {
    void* data = nullptr;
    check(cudaMalloc(&data, size * sizeof(T)));
    data_ = static_cast<T*>(data);
  }
  explicit DeviceArray(const std::vector<T>& values)
      : DeviceArray(static_cast<int>(values.size())) {
    check(cudaMemcpy(data_, values.data(), size_ * sizeof(T), cudaMemcpyHostToDevice));
  }
  ~DeviceArray() { cudaFree(data_); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;

  T* data() const { return data_; }
  /// Waits for the null stream only.
  std::vector<T> read() const {
    std::vector<T> values(size_);
    check(cudaMemcpy(values.data(), data_, size_ * sizeof(T), cudaMemcpyDeviceToHost));
    return values;
  }

 private:
  T* data_ = nullptr;
  int size_;
};

}  // namespace virtual_gpu_test
