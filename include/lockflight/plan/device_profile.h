// What a kind of device and its links can do, for estimates: data files with their source.

#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/core/dtype.h"
#include "lockflight/device/device.h"

namespace lockflight::plan {

/// How much of the device one operation makes use of.
struct OperationRates {
  bool matrix = false;     ///< its flops are of the matrix rate, else of the vector rate
  double flops_share = 1;  ///< what it reaches of that rate
  double bytes_share = 1;  ///< what it reaches of bytes_per_second; from a cache more than 1

  friend bool operator==(const OperationRates&, const OperationRates&) = default;
};

/// One rank's device, its host and the links from it to other ranks.
struct DeviceProfile {
  std::string name;
  std::string source;                 ///< where the figures come from
  std::string assumptions;            ///< which of them are assumed, and why
  DeviceKind kind = DeviceKind::cpu;  ///< or cuda
  std::size_t memory_bytes = 0;
  double matrix_flops_per_second = 0;       ///< of tensors in f32
  double bf16_matrix_flops_per_second = 0;  ///< of tensors in bf16; 0: as in f32
  double vector_flops_per_second = 0;
  double bytes_per_second = 0;
  double launch_seconds = 0;  ///< of every operation, before it starts
  double host_seconds_per_action = 0;
  double link_latency_seconds = 0;
  double link_bytes_per_second = 0;  ///< one way
  /// By the operation's name, "matmul", and where bf16 has rates of its own, "matmul bf16"; "other"
  /// is there and stands for all that are not.
  std::map<std::string, OperationRates, std::less<>> operations;

  const OperationRates& rates_of(std::string_view operation, DType dtype = DType::f32) const;
  /// What the rates' flops_share is a share of.
  double flops_per_second(const OperationRates& rates, DType dtype) const;

  friend bool operator==(const DeviceProfile&, const DeviceProfile&) = default;
};

/// The profiles that come with the library, in alphabetical order.
std::vector<std::string> device_profile_names();

/// The profile of that name; "h100" and "a100" stand for "h100-sxm" and "a100-80gb".  A name that
/// ends in ".json" is that of a file.  Throws InvalidArgument, listing the names, if there is none,
/// FileError if the file cannot be read, DataError as parse_device_profile.
DeviceProfile device_profile(const std::string& name_or_file);

/// Reads the JSON of a device profile.  Throws DataError with one sentence, naming `where` (a
/// file), line and column, and the key, if something is missing, unknown, of the wrong type or
/// beyond its bounds.
DeviceProfile parse_device_profile(std::string_view json, const std::string& where);

}  // namespace lockflight::plan
