// Eager 1F1B: 1F1B that fills the pipeline with about twice as many forwards, so that each action's
// input comes a turn before it is wanted and transfers hide behind computation.
//
//   rank 0  F0 F1 F2 F3 .  .  .  .  .  .  B0--- .  B1--- .  B2--- .  B3---
//   rank 1  .  F0 F1 F2 F3 .  .  .  B0--- .  B1--- .  B2--- .  B3--- .  .
//   rank 2  .  .  F0 F1 F2 .  B0--- F3 B1--- .  B2--- .  B3--- .  .  .  .
//   rank 3  .  .  .  F0 B0--- F1 B1--- F2 B2--- F3 B3--- .  .  .  .  .  .
//
// Idle (common end): (p − 1)(tF + tB), as for 1F1B, but transfers of up to tB and tF add nothing to
// it in the steady state. Activations kept: min(m, 2(p − 1 − r) + 1) micro-batches on rank r.
// Source: Zhuang et al. 2022 (arXiv:2211.05322), section 4.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule eager_1f1b(PipelineSize size);

}  // namespace lockflight::schedule
