// Memory whose parts were planned before the run.
//
// A step asks for the same tensors in the same order every time.  So the n-th request gets the n-th
// place of a plan: nothing is searched for, every address repeats from step to step, and what the
// step takes is known before it starts.

#pragma once

#include <cstddef>
#include <span>

#include "lockflight/device/memory_use.h"

namespace lockflight {

/// Where a tensor lies in its block.
struct MemoryPlace {
  std::size_t offset = 0;  ///< a multiple of kMemoryAlignment
  std::size_t bytes = 0;   ///< what is asked for there

  friend bool operator==(const MemoryPlace&, const MemoryPlace&) = default;
};

/// Must outlive the tensors that lie in it.  Not synchronised: its device's host thread uses it.
class PlannedMemory {
 public:
  /// `block` is aligned to kMemoryAlignment and holds all places.  Both must outlive this.
  PlannedMemory(std::byte* block, std::span<const MemoryPlace> places)
      : block_(block), places_(places) {}

  /// The next place.  Throws DeviceError if the plan has no further one or one of another size.
  std::byte* take(std::size_t bytes);
  void release(std::size_t bytes) noexcept;

  /// In use and at peak: the sum of the sizes, each rounded up to kMemoryAlignment.
  const MemoryUse& use() const { return use_; }

 private:
  std::byte* block_;
  std::span<const MemoryPlace> places_;
  std::size_t next_ = 0;
  MemoryUse use_;
};

}  // namespace lockflight
