// How much of a rank's memory transports take to add up in: plans ask too, also where there is no
// CUDA.

#pragma once

#include <cstddef>

#include "lockflight/comm/world.h"

namespace lockflight::comm {

/// A sum over ranks goes chunk by chunk.  By copies one member holds the sum and a term; NCCL gives
/// every member the chunks of all, or adds up itself where there are two.
inline constexpr std::size_t kCopiedChunkBytes = std::size_t{1} << 20;
inline constexpr std::size_t kGatheredChunkBytes = std::size_t{256} << 10;

/// Of one group with so many members, at each of them.
constexpr std::size_t copied_staging_bytes() { return 2 * kCopiedChunkBytes; }
constexpr std::size_t gathered_staging_bytes(std::size_t members) {
  return members > 2 ? members * kGatheredChunkBytes : 0;
}

/// Of all groups of a rank that has a GPU.
///   transport   nccl, or in_process
std::size_t staging_bytes(CudaTransport transport, const Links& links);

}  // namespace lockflight::comm
