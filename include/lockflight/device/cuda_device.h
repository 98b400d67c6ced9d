// NVIDIA GPUs as devices.
//
// A build without CUDA has the same functions: it finds no device and says why.

#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockflight/device/device.h"

namespace lockflight {

struct CudaDeviceInfo {
  int number = 0;  ///< CUDA's
  std::string name;
  int major = 0;  ///< compute capability
  int minor = 0;
  int multiprocessors = 0;
  std::size_t memory_bytes = 0;
  std::string bus;             ///< PCI address
  std::vector<int> reachable;  ///< other devices whose memory it can access directly
};

/// What there is to run on.
struct CudaSupport {
  std::vector<CudaDeviceInfo> devices;
  int driver_version = 0;   ///< 13000 for 13.0; 0: no driver
  int runtime_version = 0;  ///< 0: built without CUDA
  std::string why_not;      ///< one sentence; empty where CUDA can be used

  bool usable() const { return why_not.empty(); }
};

/// Looks for devices.  Does not throw.
CudaSupport cuda_support();

/// Of the library cuBLASLt, which is opened for it: 130002 for 13.0.2.  Throws DeviceError if it
/// cannot be, or in a build without CUDA.
int cublaslt_version();

struct CudaDeviceOptions {
  /// How long a step may make no progress before the device fails.
  std::chrono::milliseconds deadline = std::chrono::minutes(5);
  /// Of every compute stream, for matrix products and partial sums.
  std::size_t workspace_bytes = std::size_t{32} << 20;
};

/// One device for each of CUDA's `numbers`, in that order; a number may come more than once.  Their
/// streams can wait for each other, and they share one clock.  Throws DeviceError if CUDA cannot be
/// used, InvalidArgument if there is no device of such a number.
std::vector<std::unique_ptr<Device>> make_cuda_devices(std::span<const int> numbers,
                                                       const CudaDeviceOptions& options = {});

}  // namespace lockflight
