// A device's handle of cuBLASLt, made at its first use.

#pragma once

#include "device/cuda/cublaslt.h"

namespace lockflight::cuda {

/// Used by its device's host thread alone, with the device current.
class Blas {
 public:
  Blas() = default;
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  ~Blas();

  /// Throws DeviceError if cuBLASLt cannot be used.
  cublasLtHandle_t handle();

 private:
  cublasLtHandle_t handle_ = nullptr;
};

/// Throws DeviceError unless `status` is success.
void check(cublasStatus_t status, const char* tried);

}  // namespace lockflight::cuda
