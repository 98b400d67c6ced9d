// A kernel that nvcc compiles and the emulation does not.

#pragma once

#include <cuda_runtime_api.h>

namespace virtual_gpu_test {

/// y[0] = 1.  Enqueued; does not wait.
cudaError_t set_one(cudaStream_t stream, float* y);

}  // namespace virtual_gpu_test
