#include "device/cuda/blas.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::cuda {

void check(cublasStatus_t status, const char* tried) {
  if (status != CUBLAS_STATUS_SUCCESS) {
    throw DeviceError(
        fmt::format("cuda: {} failed: {}", tried, cublaslt().get_status_string(status)));
  }
}

Blas::~Blas() {
  if (handle_ != nullptr) {
    cublaslt().destroy(handle_);
  }
}

cublasLtHandle_t Blas::handle() {
  if (handle_ == nullptr) {
    check(cublaslt().create(&handle_), "cublasLtCreate");
  }
  return handle_;
}

}  // namespace lockflight::cuda
