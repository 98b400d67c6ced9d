// Captured work.  Source: CUDA Programming Guide, "Creating a Graph Using Stream Capture".

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <vector>

#include "device/cuda/cuda_device.h"

namespace lockflight::cuda {

class CudaGraph final : public Graph {
 public:
  /// Captures what `work` enqueues on the streams.  Throws what `work` throws, and DeviceError if
  /// something in it cannot be captured.
  CudaGraph(CudaDevice& device, std::span<Stream* const> streams,
            const std::function<void()>& work);
  ~CudaGraph() override;

  void launch() override;
  /// Gives CUDA's graph back: it is not launched any more.
  void drop() noexcept;

  /// While it is captured: pinned memory that every launch fills from there, or empties to there.
  std::byte* upload(const void* from, std::size_t bytes);
  std::byte* download(void* to, std::size_t bytes);

 private:
  struct Upload {
    std::byte* to;
    const void* from;
    std::size_t bytes;
  };

  void capture(const std::function<void()>& work);
  void order_after(cudaStream_t earlier, cudaStream_t later);

  CudaDevice& device_;
  const CudaEvent edge_;
  std::vector<cudaStream_t> streams_;  // it begins and ends on the first
  std::unique_ptr<Staging> staging_ = std::make_unique<Staging>();
  std::vector<Upload> uploads_;
  std::vector<CudaDevice::Download> downloads_;
  cudaGraphExec_t graph_ = nullptr;
};

}  // namespace lockflight::cuda
