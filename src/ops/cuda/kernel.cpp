#include "ops/cuda/kernel.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::ops::cuda {

std::byte* workspace(const Queue& queue, std::size_t bytes) {
  const lockflight::cuda::Workspace there = queue.workspace();
  if (bytes > there.bytes) {
    throw DeviceError(
        fmt::format("cuda device {}: an operation needs {} bytes of workspace, but its stream has "
                    "{}; run it on a compute stream, with a larger workspace",
                    queue.device(), bytes, there.bytes));
  }
  return there.data;
}

}  // namespace lockflight::ops::cuda
