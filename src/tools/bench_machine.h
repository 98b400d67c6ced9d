// What lockflight bench runs on: names, versions, and what it can do at most.

#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "lockflight/plan/device_profile.h"
#include "tools/bench_results.h"

namespace lockflight::tools {

/// Throws DeviceError if the options ask for CUDA and it cannot be used, otherwise what reading a
/// device profile throws.
BenchMachine look_at_machine(const BenchOptions& options);

/// The same for CUDA devices that are given, without their libraries' versions.
BenchMachine describe_machine(const BenchOptions& options, DeviceKind kind,
                              const CudaSupport& support);

/// The device profile that stands for every rank: the one that is asked for, or that of GPUs which
/// are known by their name; else none.
std::optional<plan::DeviceProfile> profile_of(const BenchOptions& options, DeviceKind kind,
                                              const CudaSupport& support);

/// Whether a device calls itself virtual: one that only acts like a GPU.
bool is_emulated(std::string_view name);

}  // namespace lockflight::tools
