#include "lockflight/device/planned_memory.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight {

std::byte* PlannedMemory::take(std::size_t bytes) {
  if (next_ == places_.size()) {
    throw DeviceError(fmt::format(
        "planned memory: a tensor of {} bytes, after all {} that the plan has; do layers ask for "
        "other tensors than in the dry run?",
        bytes, places_.size()));
  }
  const MemoryPlace& place = places_[next_];
  if (place.bytes != bytes) {
    throw DeviceError(fmt::format(
        "planned memory: tensor {} of the step has {} bytes, the plan {}; shapes must depend on "
        "the shapes of the inputs alone",
        next_, bytes, place.bytes));
  }
  ++next_;
  use_.take(aligned_bytes(bytes));
  return block_ + place.offset;
}

void PlannedMemory::release(std::size_t bytes) noexcept { use_.give_back(aligned_bytes(bytes)); }

}  // namespace lockflight
