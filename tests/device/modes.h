// The ways in which a CPU device may run its streams, as values for tests.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/device/cpu_device.h"

namespace lockflight {

struct Mode {
  StreamMode streams = StreamMode::worker;
  std::optional<std::uint64_t> chaos_seed = std::nullopt;

  CpuDeviceOptions options() const {
    CpuDeviceOptions options;
    options.mode = streams;
    options.chaos_seed = chaos_seed;
    return options;
  }
};

inline std::string to_string(const Mode& mode) {
  const std::string streams = mode.streams == StreamMode::worker ? "Worker" : "Threads";
  return mode.chaos_seed ? streams + "Chaos" + std::to_string(*mode.chaos_seed) : streams;
}

inline void PrintTo(const Mode& mode, std::ostream* out) { *out << to_string(mode); }

/// Worker and threads, each plain and with some chaos seeds: three, or LOCKFLIGHT_CHAOS_SEEDS.
inline std::vector<Mode> all_modes() {
  const char* wanted = std::getenv("LOCKFLIGHT_CHAOS_SEEDS");
  const std::uint64_t seeds = wanted == nullptr ? 3 : std::strtoull(wanted, nullptr, 10);
  std::vector<Mode> modes;
  for (const StreamMode streams : {StreamMode::worker, StreamMode::threads}) {
    modes.push_back({streams});
    for (std::uint64_t seed = 1; seed <= seeds; ++seed) {
      modes.push_back({streams, seed});
    }
  }
  return modes;
}

inline std::string mode_name(const testing::TestParamInfo<Mode>& info) {
  return to_string(info.param);
}

}  // namespace lockflight
