// ZB-V: two stages a rank, down the ranks and up again, so rank 0 has the first stage and the last,
// and micro-batches come back to where they started. Backwards are split, and W fill the time in
// which the pipeline drains: no rank waits between its first and its last action.
//
//   rank 0  0F0 0F1 0F2 0F3 .   .   .   7F0 7I0 7W0 7F1 7I1 7W1 7F2 7I2 7W2 7F3 7I3 7W3 0I0 0W0
//   rank 1  .   1F0 1F1 1F2 1F3 .   6F0 .   6F1 6I0 6W0 6F2 6I1 6W1 6F3 6I2 6W2 1I0 1W0 6I3 6W3
//   rank 2  .   .   2F0 2F1 2F2 5F0 2F3 5F1 .   5F2 5I0 5W0 5F3 5I1 5W1 2I0 2W0 5I2 5W2 2I1 2W1
//   rank 3  .   .   .   3F0 4F0 3F1 4F1 3F2 4F2 3F3 4F3 4I0 4W0 3I0 3W0 4I1 4W1 3I1 3W1 4I2 4W2
//
//   rank 0  .   0I1 0W1 .   0I2 0W2 .   0I3 0W3
//   rank 1  1I1 1W1 .   1I2 1W2 .   1I3 1W3 .
//   rank 2  5I3 5W3 2I2 2W2 .   2I3 2W3 .   .
//   rank 3  3I2 3W2 4I3 4W3 3I3 3W3 .   .   .
//
// Rank r runs 2(p − r) − 1 forwards down, r of both ways, p − r forwards and backwards up; then in
// turn F, I and W of each way; and at the end what is left, I before W.
//
// Idle where tF = tI = tW, for m ≥ 2p − 1: up to a common end (p − 1)·tF/2, none between a rank's
// own first and last action. Activations kept: min(m, p) micro-batches on every rank, or fewer
// where m < 2p − 1. Source: Qi et al. 2023 (arXiv:2401.10241), section 6.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Throws InvalidArgument unless there is at least one rank and micro-batch, and two stages per
/// rank (or none said).
Schedule zb_v(PipelineSize size);

}  // namespace lockflight::schedule
