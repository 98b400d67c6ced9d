// Where a step's tensors lie: offsets in one block per rank, found before the run.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "lockflight/device/meta_device.h"
#include "lockflight/device/planned_memory.h"
#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// The moment at which tensors take most memory.
struct MemoryPeak {
  std::size_t bytes = 0;             ///< sum of aligned_bytes of all that is alive
  std::int32_t action = -1;          ///< what Device::mark said then
  std::vector<std::size_t> buffers;  ///< numbers of those alive, largest first
};

/// The first moment of the largest sum.  Linear.
MemoryPeak memory_peak(std::span<const BufferLife> buffers);

/// On which compute streams of a rank a tensor is taken and given back.
struct TensorStreams {
  int taken_on = 0;
  int given_back_on = 0;
  /// From which instruction on the other compute stream comes after its end.
  std::int32_t settled = std::numeric_limits<std::int32_t>::max();
};

/// Of all tensors of a rank's step, from its program's records and waits; nothing where only stream
/// 0 computes.
std::vector<TensorStreams> streams_of(const RankProgram& program,
                                      std::span<const BufferLife> buffers);

struct Layout {
  std::vector<MemoryPlace> places;  ///< in the order in which they are asked for
  std::size_t bytes = 0;            ///< of the block
};

/// Offsets such that no two tensors that are alive at once share a byte, in a block as small as
/// possible: largest tensors first, each at the lowest free offset.  No block can be smaller than
/// memory_peak; on the models here this reaches it to a fiftieth, or a twentieth where backwards
/// are split.  What was not given back lives to the end. Where two streams compute, a tensor gets
/// no bytes that the other stream gave back unless that is settled. Source: offline dynamic storage
/// allocation, greedy by size, as in Pisarchyk and Lee 2020 (arXiv:2001.03288), section 5.2.
Layout place(std::span<const BufferLife> buffers, std::span<const TensorStreams> streams = {});

}  // namespace lockflight::plan
