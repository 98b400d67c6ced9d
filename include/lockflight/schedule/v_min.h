// V-Min: in V placement one block of actions repeats every turn, in which a micro-batch goes
// through all stages there and back without a stop: the least memory a full pipeline can do with.
//
//   rank 0  0F0 0F1 .   .   .   .   .   7F0 7I0 7W0 0F2 .   .   7F1 7I1 0I0 7W1 0W0 0F3 7F2 7I2
//   rank 1  .   1F0 .   .   .   .   6F0 1F1 .   6I0 6W0 .   6F1 1F2 1I0 6I1 6W1 1W0 6F2 1F3 1I1
//   rank 2  .   .   2F0 .   .   5F0 .   .   2F1 .   5I0 5F1 5W0 2I0 2F2 2W0 5I1 5F2 5W1 2I1 2F3
//   rank 3  .   .   .   3F0 4F0 .   .   .   .   3F1 4F1 4I0 3I0 4W0 3W0 3F2 4F2 4I1 3I1 4W1 3W1
//
//   rank 0  0I1 7W2 0W1 .   7F3 7I3 0I2 7W3 0W2 .   .   .   0I3 0W3
//   rank 1  6I2 6W2 1W1 6F3 .   1I2 6I3 6W3 1W2 .   .   1I3 1W3 .
//   rank 2  2W1 5I2 5F3 5W2 2I2 2W2 .   5I3 5W3 .   2I3 2W3 .   .
//   rank 3  3F3 4F3 4I2 3I2 4W2 3W2 .   .   4I3 3I3 4W3 3W3 .   .
//
// Idle (common end) where tF = tI = tW, for m ≥ p > 1: (4p − 5)·tF/2, or (4p − 3)·tF/2 where 3
// divides p. Unequal times cost more than elsewhere: they throw out of step what runs without a
// stop. Activations kept: min(m, (p + 4)/3) micro-batches, rounded down, on the rank that keeps
// most. Source: Qi et al. 2024 (arXiv:2405.15362), section 3; the offsets of the block are ours.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Throws InvalidArgument unless there is at least one rank and micro-batch, and two stages per
/// rank (or none said).
Schedule v_min(PipelineSize size);

}  // namespace lockflight::schedule
