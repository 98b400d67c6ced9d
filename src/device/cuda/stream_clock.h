// Points of streams in nanoseconds, by events with timing.

#pragma once

#include <chrono>
#include <cstdint>
#include <vector>

#include <cuda_runtime_api.h>

namespace lockflight::cuda {

/// CUDA's clock measures from event to event; a base event, recorded anew while the device is idle,
/// ties it to the host's clock, which the devices of a world share.
class StreamClock {
 public:
  /// Nanoseconds count from `zero`.  With the device current.
  explicit StreamClock(std::chrono::steady_clock::time_point zero);
  StreamClock(const StreamClock&) = delete;
  StreamClock& operator=(const StreamClock&) = delete;
  ~StreamClock();

  /// *nanoseconds is written by the next `resolve`; `action` is what the stream is at.
  void stamp(cudaStream_t stream, std::int64_t* nanoseconds, std::int32_t action);
  /// After all streams have passed their stamps: writes what they stamped.
  void resolve();
  /// The action of the first stamp that its stream has not passed, in the order of the calls; -1 if
  /// there is none.
  std::int32_t first_pending() const;
  /// Forgets the stamps that were not resolved.
  void drop();

 private:
  struct Stamp {
    cudaEvent_t event;
    std::int64_t* nanoseconds;
    std::int32_t action;
  };

  void rebase();

  const std::chrono::steady_clock::time_point zero_;
  cudaStream_t stream_ = nullptr;
  cudaEvent_t base_ = nullptr;
  std::int64_t base_nanoseconds_ = 0;
  std::vector<Stamp> stamps_;
  std::vector<cudaEvent_t> unused_;
};

}  // namespace lockflight::cuda
