// The CUDA backend of a build without CUDA.

#include "device/cuda/enqueue.h"
#include "lockflight/core/error.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {

CudaSupport cuda_support() {
  return {.why_not =
              "this build has no CUDA backend; configure it with LOCKFLIGHT_CUDA=ON where the CUDA "
              "toolkit is installed"};
}

int cublaslt_version() { throw DeviceError("cuda: " + cuda_support().why_not); }

std::vector<std::unique_ptr<Device>> make_cuda_devices(std::span<const int> /*numbers*/,
                                                       const CudaDeviceOptions& /*options*/) {
  throw DeviceError("cuda: " + cuda_support().why_not);
}

namespace cuda {

void enqueue(Stream& /*stream*/, const std::function<void(CUstream_st*)>& /*work*/) {
  throw DeviceError("cuda: " + cuda_support().why_not);
}

}  // namespace cuda
}  // namespace lockflight
