// 1F1B: after a few forwards to fill the pipeline, each rank alternates one forward and one
// backward, so it keeps no more micro-batches than there are ranks from it to the end.
//
//   rank 0  F0 F1 F2 F3 .  .  .  .  .  .  B0--- .  B1--- .  B2--- .  B3---
//   rank 1  .  F0 F1 F2 .  .  .  .  B0--- F3 B1--- .  B2--- .  B3--- .  .
//   rank 2  .  .  F0 F1 .  .  B0--- F2 B1--- F3 B2--- .  B3--- .  .  .  .
//   rank 3  .  .  .  F0 B0--- F1 B1--- F2 B2--- F3 B3--- .  .  .  .  .  .
//
// Idle (common end): (p − 1)(tF + tB). Activations kept: min(m, p − r) micro-batches on rank r.
// Source: PipeDream-Flush; Narayanan et al. 2021 (arXiv:2104.04473), section 2.2.1.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule one_f_one_b(PipelineSize size);

}  // namespace lockflight::schedule
