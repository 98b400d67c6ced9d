// What all calls of the CUDA runtime have in common.

#pragma once

#include <cuda_runtime_api.h>

#include "virtual_gpu/machine/machine.h"

#define LOCKFLIGHT_API extern "C" __attribute__((visibility("default")))

namespace virtual_gpu {

/// Keeps what cudaGetLastError is to return.
inline cudaError_t remember(Machine& machine, cudaError_t status) {
  if (status != cudaSuccess && status != cudaErrorNotReady) {
    machine.hosts.current().error = status;
  }
  return status;
}

/// Runs `body`, which takes the machine and returns a cudaError_t, unless the call is to fail.
template <typename Body>
cudaError_t call(const char* name, Body body) {
  const Lock lock;
  Machine& m = machine();
  m.hosts.act();
  if (const auto code = m.calls.enter(name, cudaErrorUnknown)) {
    return remember(m, static_cast<cudaError_t>(*code));
  }
  const cudaError_t status = body(m);
  m.scheduler.pump(m.scheduler.whim());
  return remember(m, status);
}

inline cudaError_t error_if(bool wrong, cudaError_t code) { return wrong ? code : cudaSuccess; }

}  // namespace virtual_gpu
