#include "device/cuda/signals.h"

#include <algorithm>
#include <atomic>

#include <cuda.h>
#include <cudaTypedefs.h>
#include <fmt/format.h>

#include "device/cuda/check.h"
#include "lockflight/core/error.h"

namespace lockflight::cuda {
namespace {

// The driver's functions, without linking the driver: it is not there on every machine.
template <typename Function>
Function driver_function(const char* name) {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found = cudaDriverEntryPointSymbolNotFound;
  check(cudaGetDriverEntryPointByVersion(name, &function, 12000, cudaEnableDefault, &found),
        fmt::format("cudaGetDriverEntryPointByVersion of {}", name));
  if (found != cudaDriverEntryPointSuccess) {
    throw DeviceError(fmt::format("cuda: the NVIDIA driver has no {}; install a newer one", name));
  }
  return reinterpret_cast<Function>(function);
}

void check_driver(CUresult result, const char* tried) {
  if (result != CUDA_SUCCESS) {
    throw DeviceError(fmt::format("cuda: {} failed with code {}", tried, static_cast<int>(result)));
  }
}

void store(std::uint32_t* word, std::uint32_t value) {
  std::atomic_ref<std::uint32_t>(*word).store(value, std::memory_order_release);
}

}  // namespace

Signals::~Signals() {
  for (std::uint32_t* block : blocks_) {
    cudaFreeHost(block);
  }
}

std::uint32_t* Signals::take() {
  if (taken_ == blocks_.size() * kWords) {
    void* block = nullptr;
    check(cudaMallocHost(&block, kWords * sizeof(std::uint32_t)), "cudaMallocHost");
    blocks_.push_back(static_cast<std::uint32_t*>(block));
    std::fill_n(blocks_.back(), kWords, 0U);
  }
  std::uint32_t* word = blocks_[taken_ / kWords] + taken_ % kWords;
  ++taken_;
  return word;
}

void Signals::recycle() {
  for (std::size_t i = 0; i < taken_; ++i) {
    store(blocks_[i / kWords] + i % kWords, 0);
  }
  taken_ = 0;
}

void Signals::open_all() {
  for (std::size_t i = 0; i < taken_; ++i) {
    store(blocks_[i / kWords] + i % kWords, 1);
  }
}

void set_signal(cudaStream_t stream, std::uint32_t* word) {
  static const auto write =
      driver_function<PFN_cuStreamWriteValue32_v11070>("cuStreamWriteValue32");
  check_driver(write(stream, reinterpret_cast<CUdeviceptr>(word), 1, CU_STREAM_WRITE_VALUE_DEFAULT),
               "cuStreamWriteValue32");
}

void await_signal(cudaStream_t stream, std::uint32_t* word) {
  static const auto wait = driver_function<PFN_cuStreamWaitValue32_v11070>("cuStreamWaitValue32");
  check_driver(wait(stream, reinterpret_cast<CUdeviceptr>(word), 1, CU_STREAM_WAIT_VALUE_GEQ),
               "cuStreamWaitValue32");
}

}  // namespace lockflight::cuda
