// What --device means on this machine.

#pragma once

#include <string>

#include "lockflight/device/cuda_device.h"

namespace lockflight::tools {

struct DeviceChoice {
  DeviceKind kind = DeviceKind::cpu;
  std::string why;  ///< one sentence where auto takes the CPU; else empty
};

/// auto takes CUDA where it can be used, else the CPU.  Throws DeviceError for cuda where it
/// cannot.
DeviceChoice choose_device(const std::string& name, const CudaSupport& support);
DeviceChoice choose_device(const std::string& name);

}  // namespace lockflight::tools
