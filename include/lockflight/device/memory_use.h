// How much memory is used.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace lockflight {

/// Every tensor begins at a multiple of this.
inline constexpr std::size_t kMemoryAlignment = 256;

/// What a tensor takes: its bytes rounded up to the alignment; never nothing, so that every tensor
/// has an address of its own.
constexpr std::size_t aligned_bytes(std::size_t bytes) {
  return (std::max<std::size_t>(bytes, 1) + kMemoryAlignment - 1) / kMemoryAlignment *
         kMemoryAlignment;
}

/// Bytes of a device's memory.
struct MemoryUse {
  std::size_t in_use_bytes = 0;    ///< held by tensors now
  std::size_t peak_bytes = 0;      ///< largest in_use_bytes so far
  std::size_t reserved_bytes = 0;  ///< taken from the system
  std::int64_t requests = 0;       ///< how often memory was asked for

  void take(std::size_t bytes) {
    in_use_bytes += bytes;
    peak_bytes = std::max(peak_bytes, in_use_bytes);
    ++requests;
  }
  void give_back(std::size_t bytes) { in_use_bytes -= bytes; }
};

}  // namespace lockflight
