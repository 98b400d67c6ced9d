// V-Half: in V placement one block of actions repeats every turn, laid out so that a micro-batch is
// gone from a rank after about p/2 turns: about half the memory of 1F1B or ZB-V.
//
//   rank 0  0F0 0F1 0F2 .   .   .   .   7F0 7I0 7W0 0F3 .   7F1 7I1 7W1 .   .   7F2 7I2 7W2 0I0
//   rank 1  .   1F0 1F1 .   .   .   6F0 1F2 .   6I0 6W0 6F1 1F3 .   6I1 6W1 6F2 .   1I0 6I2 6W2
//   rank 2  .   .   2F0 2F1 .   5F0 .   .   2F2 5F1 5I0 5W0 .   2F3 5F2 5I1 5W1 2I0 2W0 5F3 5I2
//   rank 3  .   .   .   3F0 4F0 3F1 4F1 .   .   3F2 .   4I0 4W0 4F2 3F3 3I0 4I1 4W1 4F3 3W0 3I1
//
//   rank 0  0W0 7F3 7I3 7W3 0I1 0W1 .   .   0I2 0W2 .   0I3 0W3
//   rank 1  6F3 1W0 1I1 6I3 6W3 1W1 .   1I2 1W2 .   1I3 1W3 .
//   rank 2  5W2 2I1 2W1 .   5I3 5W3 2I2 2W2 .   2I3 2W3 .   .
//   rank 3  4I2 4W2 3W1 3I2 .   4I3 4W3 3W2 3I3 3W3 .   .   .
//
// Idle (common end) where tF = tI = tW, for m > p > 1: (7p − 8)·tF/4, with an odd p (7p − 9)·tF/4.
// Activations kept: min(m, (p + 2)/2) micro-batches, rounded down, on the rank that keeps most.
// Source: Qi et al. 2024 (arXiv:2405.15362), section 3; the offsets of the block are ours.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Throws InvalidArgument unless there is at least one rank and micro-batch, and two stages per
/// rank (or none said).
Schedule v_half(PipelineSize size);

}  // namespace lockflight::schedule
