// Lives of tensors, made up.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/device/meta_device.h"

namespace lockflight::plan {

// Calls that take and give back tensors of random sizes, some of which are never given back.
inline std::vector<BufferLife> random_buffers(std::uint32_t seed, int calls) {
  Random random({.seed = seed});
  std::vector<BufferLife> buffers;
  std::vector<std::size_t> alive;
  for (std::int64_t call = 0; call < calls; ++call) {
    if (alive.empty() || random.next_uniform() < 0.55) {
      alive.push_back(buffers.size());
      buffers.push_back({.bytes = random.next_below(10'000),
                         .born = call,
                         .action = static_cast<std::int32_t>(call / 4)});
    } else {
      const auto victim =
          alive.begin() + static_cast<std::ptrdiff_t>(random.next_below(alive.size()));
      buffers[*victim].freed = call;
      alive.erase(victim);
    }
  }
  return buffers;
}

inline bool alive_at(const BufferLife& buffer, std::int64_t call) {
  return buffer.born <= call && (buffer.freed < 0 || buffer.freed > call);
}

}  // namespace lockflight::plan
