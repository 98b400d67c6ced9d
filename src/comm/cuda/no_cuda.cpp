// Ranks on GPUs, in a build without CUDA.

#include "comm/cuda/world.h"
#include "lockflight/core/error.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {

int nccl_version() { throw DeviceError("cuda: " + cuda_support().why_not); }

namespace comm {

CudaRanks make_cuda_ranks(const ThreadWorldOptions& /*options*/) {
  throw DeviceError("cuda: " + cuda_support().why_not);
}

}  // namespace comm

bool nccl_is_stuck() { return false; }

}  // namespace lockflight
