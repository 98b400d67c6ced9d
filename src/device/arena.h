// A rank's memory: slabs taken from the system and kept until the end, cut into tensors.

#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <span>
#include <utility>
#include <vector>

#include "lockflight/device/memory_use.h"

namespace lockflight {

/// Where an arena's slabs come from.
struct SlabSource {
  /// Memory aligned to 2 MiB, a multiple of that.  Throws DeviceError if there is none.
  std::function<std::byte*(std::size_t bytes)> take;
  std::function<void(std::byte* data, std::size_t bytes)> give_back;  ///< does not throw
};

/// Best fit with coalescing; among equal blocks the lowest address, so that the same sequence of
/// calls yields the same addresses.  Touches no byte of the memory.  Not synchronised.
class Arena {
 public:
  static constexpr std::size_t kSlabBytes = std::size_t{32} << 20;

  explicit Arena(SlabSource source) : source_(std::move(source)) {}
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;
  ~Arena();

  /// Throws DeviceError if the source has no more memory.
  std::byte* allocate(std::size_t bytes);
  void release(std::byte* data, std::size_t bytes) noexcept;
  /// Adds a slab of `bytes` unless there is a free block that large.
  void reserve(std::size_t bytes);
  const MemoryUse& use() const { return use_; }
  std::vector<std::span<std::byte>> slabs() const;

 private:
  struct Slab {
    std::byte* data;
    std::size_t bytes;
  };

  void add_slab(std::size_t at_least);
  bool begins_slab(const std::byte* data) const;

  const SlabSource source_;
  std::vector<Slab> slabs_;
  std::map<std::byte*, std::size_t> free_;  // address → bytes, no two adjacent within a slab
  MemoryUse use_;
};

}  // namespace lockflight
