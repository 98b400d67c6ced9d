// The proof that tensors which are alive at once have bytes of their own.
//
// Together with the proof of the program this makes a step free of races, byte for byte: prove.h
// orders every use of a buffer before the instruction that gives its memory back, on the stream in
// whose order memory changes hands, and this shows that memory changes hands only then.  Where
// two streams compute, it also changes hands from one to the other only when records and waits have
// it so.

#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "lockflight/device/meta_device.h"
#include "lockflight/plan/place.h"
#include "lockflight/plan/prove.h"

namespace lockflight::plan {

/// All that is wrong with a rank's layout, in the order of the calls: a tensor without a place or
/// with one of another size, beyond the end of the block, at an offset that is not aligned, or on
/// bytes of a tensor that is still alive, or that the other stream may still use.
/// Finding::position is the instruction that asks for the tensor.  n log n in the tensors, but for
/// those of an overlapped pair.
///   streams   as streams_of has them
std::vector<Finding> prove_layout(int rank, std::span<const BufferLife> buffers,
                                  const Layout& layout,
                                  std::span<const TensorStreams> streams = {});

}  // namespace lockflight::plan
