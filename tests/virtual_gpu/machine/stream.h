// Streams and events.

#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>

#include <cuda_runtime_api.h>

#include "virtual_gpu/machine/clock.h"
#include "virtual_gpu/machine/operation.h"

namespace virtual_gpu {

struct Stream {
  int device = 0;
  std::uint32_t index = 0;  ///< its component in clocks
  bool non_blocking = true;
  int priority = 0;
  const std::string* name = nullptr;  ///< "device 1 stream 4"

  std::deque<OperationPointer> queue;
  OperationPointer last;
  std::uint32_t enqueued = 0;
  std::uint32_t begin = 0;           ///< its time before its first operation
  Clock clock;                       ///< after the operation that ran last
  cudaError_t failed = cudaSuccess;  ///< why nothing runs here any more
  bool destroyed = false;            ///< by the program; what is queued still runs
};

struct Event {
  int device = 0;
  bool timing = false;
  OperationPointer record;  ///< the last one
  /// When the record ran.
  std::shared_ptr<std::chrono::steady_clock::time_point> time;
};

}  // namespace virtual_gpu
