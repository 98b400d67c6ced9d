// Forwards alone, for evaluation.
//
//   rank 0  F0 F1 F2 F3 .  .  .
//   rank 1  .  F0 F1 F2 F3 .  .
//   rank 2  .  .  F0 F1 F2 F3 .
//   rank 3  .  .  .  F0 F1 F2 F3
//
// Idle (common end): (p − 1)·tF. No activations are kept.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule forward_only(PipelineSize size);

/// For stages that lie anywhere: as many micro-batches at a time as there are ranks go through a
/// rank's stages one stage after the other.  Throws InvalidArgument unless there is a micro-batch.
Schedule forward_only(const Placement& placement, int micro_batches);

}  // namespace lockflight::schedule
