// ZB-2p (ZB-H2): ZB-1p with forwards enough to leave no gap between the first backward and the last
// forward either; 2r weight gradients are left over on rank r for the end.
//
//   rank 0  F0 F1 F2 F3 .  .  .  I0 W0 I1 W1 I2 W2 I3 W3 .
//   rank 1  .  F0 F1 F2 F3 .  I0 .  I1 .  I2 W0 I3 W1 W2 W3
//   rank 2  .  .  F0 F1 F2 I0 F3 I1 .  I2 .  I3 W0 W1 W2 W3
//   rank 3  .  .  .  F0 I0 F1 I1 F2 I2 F3 I3 W0 W1 W2 W3 .
//
// Idle, for m ≥ 2p − 1: up to a common end (p − 1)·max(tF, tI − tF, tF + tI − 2tW), between a
// rank's own first and last action at most (p − 1)·max(0, tI − tF, tF + tI − 2tW), so nothing where
// tF = tI = tW. It gains over ZB-1p only if the next step may begin before all ranks have ended
// this one. Activations kept: min(m, 2p − 1) micro-batches on every rank. Source: Qi et al. 2023
// (arXiv:2401.10241), section 2.2, ZB-H2.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule zb_2p(PipelineSize size);

}  // namespace lockflight::schedule
