// What all calls of cuBLASLt have in common.

#pragma once

#include <cstddef>
#include <cstring>
#include <string>
#include <utility>

#include <cublasLt.h>

#include "virtual_gpu/machine/machine.h"

#define LOCKFLIGHT_API extern "C" __attribute__((visibility("default")))

namespace virtual_gpu::blas {

/// Runs `body`, which takes the machine and returns a cublasStatus_t, unless the call is to fail.
template <typename Body>
cublasStatus_t call(const char* name, Body body) {
  const Lock lock;
  Machine& m = machine();
  m.hosts.act();
  if (const auto code = m.calls.enter(name, CUBLAS_STATUS_INTERNAL_ERROR)) {
    return static_cast<cublasStatus_t>(*code);
  }
  return body(m);
}

/// The value of an attribute.
template <typename Value>
cublasStatus_t read(Value& to, const void* from, std::size_t bytes) {
  if (from == nullptr || bytes != sizeof(Value)) {
    return CUBLAS_STATUS_INVALID_VALUE;
  }
  std::memcpy(&to, from, bytes);
  return CUBLAS_STATUS_SUCCESS;
}

inline cublasStatus_t unsupported(Machine& machine, std::string what) {
  machine.report("unsupported", std::move(what));
  return CUBLAS_STATUS_NOT_SUPPORTED;
}

}  // namespace virtual_gpu::blas
