// GPipe: all forwards, then all backwards. Micro-batches go through the backward in ascending
// order, as the sum of their gradients does.
//
//   rank 0  F0 F1 F2 F3 .  .  .  .  .  .  .  .  .  B0--- B1--- B2--- B3---
//   rank 1  .  F0 F1 F2 F3 .  .  .  .  .  .  B0--- B1--- B2--- B3--- .  .
//   rank 2  .  .  F0 F1 F2 F3 .  .  .  B0--- B1--- B2--- B3--- .  .  .  .
//   rank 3  .  .  .  F0 F1 F2 F3 B0--- B1--- B2--- B3--- .  .  .  .  .  .
//
// Idle (common end): (p − 1)(tF + tB). Activations kept: m micro-batches on every rank.
// Source: Huang et al. 2018 (arXiv:1811.06965), section 2.3.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// One stage a rank.  Throws InvalidArgument unless there is at least one rank and micro-batch,
/// and one stage per rank.
Schedule gpipe(PipelineSize size);

}  // namespace lockflight::schedule
