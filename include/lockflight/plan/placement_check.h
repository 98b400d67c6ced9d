// Whether a placement of buffers in an arena holds: the part of a proof that is about memory.

#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "lockflight/plan/prove.h"

namespace lockflight::plan {

/// A buffer in a rank's arena.  It lives from `born` to just before `freed`, in whatever counts the
/// order of the rank's allocations; one may begin where another ends.
struct PlacedBuffer {
  std::size_t offset = 0;
  std::size_t bytes = 0;
  std::int64_t born = 0;
  std::int64_t freed = 0;
  std::string name;  ///< "output of stage 2, micro-batch 5", for messages
};

struct ArenaSize {
  int rank = 0;
  std::size_t bytes = 0;
  std::size_t limit_bytes = 0;  ///< what the device has for it
};

/// All that is wrong with a placement, as findings of kind memory on that rank:
///   - every buffer that shares bytes with another one that lives at the same time, beside the one
///   with the lowest offset that lives longer already;
///   - every buffer that ends beyond the arena, and by how much;
///   - every buffer that is freed before it is born;
///   - an arena larger than its limit, and by how much.
/// n log n in the number of buffers.
Proof prove_memory(std::span<const PlacedBuffer> buffers, const ArenaSize& arena);

}  // namespace lockflight::plan
