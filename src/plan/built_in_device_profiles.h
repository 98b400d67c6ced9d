// The files of device_profiles/, made part of the library when it is built.

#pragma once

#include <span>
#include <string_view>

namespace lockflight::plan {

struct BuiltInDeviceProfile {
  std::string_view name;
  std::string_view json;
};

/// In alphabetical order.
std::span<const BuiltInDeviceProfile> built_in_device_profiles();

}  // namespace lockflight::plan
