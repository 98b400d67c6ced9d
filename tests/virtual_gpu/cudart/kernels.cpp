// Kernels: what nvcc's host code registers, and their launch.

#include <cstdlib>
#include <vector>

#include <fmt/format.h>

#include "virtual_gpu/cudart/call.h"

using virtual_gpu::call;
using virtual_gpu::Kernels;
using virtual_gpu::Machine;

namespace {

struct Configuration {
  dim3 grid, block;
  std::size_t shared_bytes;
  cudaStream_t stream;
};
thread_local std::vector<Configuration> configurations;

}  // namespace

LOCKFLIGHT_API cudaError_t cudaLaunchKernel(const void* function, dim3 grid, dim3 block,
                                            void** arguments, std::size_t shared_bytes,
                                            cudaStream_t stream) {
  return call(__func__, [&](Machine& m) {
    return m.kernels.launch(m.kernels.find(function), grid, block, arguments, shared_bytes, stream);
  });
}

LOCKFLIGHT_API cudaError_t cudaFuncGetAttributes(cudaFuncAttributes* attributes,
                                                 const void* function) {
  return call(__func__, [&](Machine& m) {
    if (m.kernels.find(function) == nullptr) {
      return cudaErrorInvalidDeviceFunction;
    }
    *attributes = {};
    attributes->maxThreadsPerBlock = 1024;
    attributes->binaryVersion = attributes->ptxVersion = 90;
    return cudaSuccess;
  });
}

// Called by code that nvcc generates.  Source: crt/host_runtime.h of the toolkit.

LOCKFLIGHT_API void** __cudaRegisterFatBinary(void*) {
  return static_cast<void**>(std::malloc(sizeof(void*)));
}

LOCKFLIGHT_API void __cudaRegisterFatBinaryEnd(void**) {}

LOCKFLIGHT_API void __cudaUnregisterFatBinary(void** binary) { std::free(binary); }

LOCKFLIGHT_API char __cudaInitModule(void**) { return 1; }

LOCKFLIGHT_API void __cudaRegisterFunction(void**, const char* stub, char*, const char* name, int,
                                           uint3*, uint3*, dim3*, dim3*, int*) {
  const virtual_gpu::Lock lock;
  virtual_gpu::machine().kernels.add(stub, name);
}

LOCKFLIGHT_API void __cudaRegisterVar(void**, char*, char*, const char* name, int, std::size_t, int,
                                      int) {
  const virtual_gpu::Lock lock;
  virtual_gpu::machine().report(
      "unsupported",
      fmt::format("the device variable {}: kernels of this project have none", name));
}

LOCKFLIGHT_API unsigned __cudaPushCallConfiguration(dim3 grid, dim3 block, std::size_t shared_bytes,
                                                    CUstream_st* stream) {
  configurations.push_back({grid, block, shared_bytes, stream});
  return 0;
}

LOCKFLIGHT_API cudaError_t __cudaPopCallConfiguration(dim3* grid, dim3* block,
                                                      std::size_t* shared_bytes, void* stream) {
  if (configurations.empty()) {
    return cudaErrorMissingConfiguration;
  }
  const Configuration& last = configurations.back();
  *grid = last.grid;
  *block = last.block;
  *shared_bytes = last.shared_bytes;
  *static_cast<cudaStream_t*>(stream) = last.stream;
  configurations.pop_back();
  return cudaSuccess;
}

LOCKFLIGHT_API cudaError_t __cudaGetKernel(cudaKernel_t* kernel, const void* stub) {
  const virtual_gpu::Lock lock;
  *kernel = reinterpret_cast<cudaKernel_t>(virtual_gpu::machine().kernels.find(stub));
  return *kernel == nullptr ? cudaErrorInvalidDeviceFunction : cudaSuccess;
}

LOCKFLIGHT_API cudaError_t __cudaLaunchKernel(cudaKernel_t kernel, dim3 grid, dim3 block,
                                              void** arguments, std::size_t shared_bytes,
                                              cudaStream_t stream) {
  return call("cudaLaunchKernel", [&](Machine& m) {
    return m.kernels.launch(reinterpret_cast<Kernels::Registered*>(kernel), grid, block, arguments,
                            shared_bytes, stream);
  });
}
