// ZB-1p (ZB-H1): 1F1B whose backwards are split. A gradient that another rank waits for is sent a W
// sooner, and what W are left over, r on rank r, fill the time in which the pipeline drains.
//
//   rank 0  F0 F1 F2 F3 .  .  .  I0 W0 I1 W1 I2 W2 I3 W3
//   rank 1  .  F0 F1 F2 .  .  I0 F3 I1 W0 I2 W1 I3 W2 W3
//   rank 2  .  .  F0 F1 .  I0 F2 I1 F3 I2 W0 I3 W1 W2 W3
//   rank 3  .  .  .  F0 I0 F1 I1 F2 I2 F3 I3 W0 W1 W2 W3
//
// Idle (common end), for m ≥ p: (p − 1)·max(tF, tI, tF + tI − tW), which is the paper's
// (p − 1)(tF + tI − tW) where tW is the shortest. Activations kept: min(m, p) micro-batches on
// every rank. Source: Qi et al. 2023 (arXiv:2401.10241), section 2.1, ZB-H1.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule zb_1p(PipelineSize size);

}  // namespace lockflight::schedule
