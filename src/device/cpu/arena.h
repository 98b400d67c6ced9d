// A rank's memory on the CPU: slabs of huge pages, cut into tensors.
//
// A first touch costs microseconds for every small page and the C library maps large blocks afresh
// each time; so memory comes in slabs that are aligned to 2 MiB, advised to be huge pages, touched
// once, and kept until the end.

#pragma once

#include <cstddef>
#include <map>
#include <vector>

#include "lockflight/device/device.h"

namespace lockflight::cpu {

/// Best fit with coalescing; among equal blocks the lowest address, so that the same sequence of
/// calls yields the same addresses.  Not synchronised.
class Arena {
 public:
  static constexpr std::size_t kSlabBytes = std::size_t{32} << 20;

  Arena() = default;
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Throws DeviceError if the system has no more memory.
  std::byte* allocate(std::size_t bytes);
  void release(std::byte* data, std::size_t bytes) noexcept;
  /// Adds a slab of `bytes` unless there is a free block that large.
  void reserve(std::size_t bytes);
  const MemoryUse& use() const { return use_; }

 private:
  struct Slab {
    std::byte* data;
    std::size_t bytes;
  };

  void add_slab(std::size_t at_least);
  bool begins_slab(const std::byte* data) const;

  std::vector<Slab> slabs_;
  std::map<std::byte*, std::size_t> free_;  // address → bytes, no two adjacent within a slab
  MemoryUse use_;
};

}  // namespace lockflight::cpu
