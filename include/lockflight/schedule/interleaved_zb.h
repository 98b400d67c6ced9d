// Interleaved zero bubble: interleaved 1F1B with half the extra warm-up, whose backwards are split;
// the W that are left over, r on rank r, fill the time in which the pipeline drains.
//
//   rank 0  0F0 0F1 0F2 0F3 4F0 4F1 4F2 4F3 .   .   .   4I0 4W0 4I1 4W1 4I2 4W2 4I3
//   rank 1  .   1F0 1F1 1F2 1F3 5F0 5F1 5F2 .   .   5I0 5F3 5I1 5W0 5I2 5W1 5I3 5W2
//   rank 2  .   .   2F0 2F1 2F2 2F3 6F0 6F1 .   6I0 6F2 6I1 6F3 6I2 6W0 6I3 6W1 2I0
//   rank 3  .   .   .   3F0 3F1 3F2 3F3 7F0 7I0 7F1 7I1 7F2 7I2 7F3 7I3 7W0 3I0 7W1
//
//   rank 0  4W3 0I0 0W0 0I1 0W1 0I2 0W2 0I3 0W3
//   rank 1  1I0 5W3 1I1 1W0 1I2 1W1 1I3 1W2 1W3
//   rank 2  6W2 2I1 6W3 2I2 2W0 2I3 2W1 2W2 2W3
//   rank 3  3I1 7W2 3I2 7W3 3I3 3W0 3W1 3W2 3W3
//
// Groups of micro-batches are those of interleaved.h. With g in the largest, rank r runs
// (v − 1)g + p − 1 − r forwards before it alternates.
//
// Idle (common end), where g divides m: (p − 1)·max(tF, tI, tF + tI − tW)/v. Activations kept
// there:
// ((v − 1)g + p)/v micro-batches on every rank, at most m; that is p with groups of p.
// Source: torch.distributed.pipelining, ScheduleInterleavedZeroBubble; Qi et al. 2023
// (arXiv:2401.10241).

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Loop placement.  Throws InvalidArgument unless there is at least one rank, micro-batch and stage
/// per rank, and for groups of fewer micro-batches than ranks.
Schedule interleaved_zb(PipelineSize size);

}  // namespace lockflight::schedule
