// What CUDA there is on this machine.

#include <fmt/format.h>

#include "device/cuda/check.h"
#include "lockflight/device/cuda_device.h"

namespace lockflight {
namespace {

constexpr int kLeastMajor = 8;  // bf16 and asynchronous copies begin there

std::string version(int number) { return fmt::format("{}.{}", number / 1000, number % 1000 / 10); }

std::string why_not(cudaError_t status, const CudaSupport& support) {
  switch (status) {
    case cudaErrorInsufficientDriver:
      return support.driver_version == 0
                 ? "this machine has no NVIDIA driver; install one"
                 : fmt::format(
                       "the NVIDIA driver knows CUDA {}, this build needs {}; install a "
                       "newer driver",
                       version(support.driver_version), version(support.runtime_version));
    case cudaErrorNoDevice:
      return "the NVIDIA driver finds no GPU; check nvidia-smi and CUDA_VISIBLE_DEVICES";
    default:
      return fmt::format("the NVIDIA driver cannot be used: {}; check nvidia-smi",
                         cuda::describe(status));
  }
}

CudaDeviceInfo describe_device(int number, int devices) {
  cudaDeviceProp properties{};
  cuda::check(cudaGetDeviceProperties(&properties, number), "cudaGetDeviceProperties");
  CudaDeviceInfo info{.number = number,
                      .name = properties.name,
                      .major = properties.major,
                      .minor = properties.minor,
                      .multiprocessors = properties.multiProcessorCount,
                      .memory_bytes = properties.totalGlobalMem};
  char bus[32] = "";
  cuda::check(cudaDeviceGetPCIBusId(bus, sizeof bus, number), "cudaDeviceGetPCIBusId");
  info.bus = bus;
  for (int other = 0; other < devices; ++other) {
    int reaches = 0;
    if (other != number && cudaDeviceCanAccessPeer(&reaches, number, other) == cudaSuccess &&
        reaches != 0) {
      info.reachable.push_back(other);
    }
  }
  return info;
}

void look(CudaSupport& support) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  static_cast<void>(cudaGetLastError());
  if (status != cudaSuccess || count == 0) {
    support.why_not = why_not(status == cudaSuccess ? cudaErrorNoDevice : status, support);
    return;
  }
  for (int number = 0; number < count; ++number) {
    support.devices.push_back(describe_device(number, count));
    const CudaDeviceInfo& info = support.devices.back();
    if (info.major < kLeastMajor) {
      support.why_not = fmt::format(
          "device {}, {}, has compute capability {}.{}, lockflight needs {}.0; hide it with "
          "CUDA_VISIBLE_DEVICES",
          number, info.name, info.major, info.minor, kLeastMajor);
    }
  }
}

}  // namespace

CudaSupport cuda_support() {
  CudaSupport support;
  try {
    // Both answer without a driver.
    static_cast<void>(cudaDriverGetVersion(&support.driver_version));
    static_cast<void>(cudaRuntimeGetVersion(&support.runtime_version));
    look(support);
  } catch (const std::exception& error) {
    support.why_not =
        fmt::format("the devices cannot be asked: {}; check nvidia-smi", error.what());
  }
  return support;
}

}  // namespace lockflight
