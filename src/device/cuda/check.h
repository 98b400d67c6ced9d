// CUDA's error codes as exceptions.

#pragma once

#include <string>
#include <string_view>

#include <cuda_runtime_api.h>

namespace lockflight::cuda {

/// Throws DeviceError unless `status` is success: what was tried, on which device, and CUDA's own
/// words.  `tried` is the name of the call: "cudaMalloc of 33554432 bytes".
void check(cudaError_t status, std::string_view tried);

/// "no kernel image is available for execution on the device (cudaErrorNoKernelImageForDevice)".
std::string describe(cudaError_t status);

}  // namespace lockflight::cuda
