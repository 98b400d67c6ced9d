#include "device/cuda/check.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::cuda {

std::string describe(cudaError_t status) {
  return fmt::format("{} ({})", cudaGetErrorString(status), cudaGetErrorName(status));
}

void check(cudaError_t status, std::string_view tried) {
  if (status == cudaSuccess) {
    return;
  }
  static_cast<void>(cudaGetLastError());  // else the next call would report it again
  int device = -1;
  static_cast<void>(cudaGetDevice(&device));
  throw DeviceError(fmt::format("cuda device {}: {} failed: {}", device, tried, describe(status)));
}

}  // namespace lockflight::cuda
