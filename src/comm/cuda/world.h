// Ranks on GPUs.

#pragma once

#include <memory>
#include <vector>

#include "lockflight/comm/world.h"

namespace lockflight::comm {

struct CudaRanks {
  std::vector<World::Member> members;
  CudaTransport transport = CudaTransport::in_process;  ///< or nccl
  std::shared_ptr<void> end;                            ///< to be destroyed before the members
};

/// Throws DeviceError if CUDA cannot be used, InvalidArgument if there are not enough GPUs.
CudaRanks make_cuda_ranks(const ThreadWorldOptions& options);

}  // namespace lockflight::comm
