// Looped BFS, interleaved GPipe: each rank holds several stages that lie p apart and runs all
// micro-batches of one of them before it goes on to the next, so a stage's weights are wanted only
// once on the way up and once on the way down.
//
//   rank 0  0F0 0F1 0F2 0F3 4F0 4F1 4F2 4F3 .   .   .   .   .   .   .   .   .   4B0---- 4B1----
//   rank 1  .   1F0 1F1 1F2 1F3 5F0 5F1 5F2 5F3 .   .   .   .   .   .   5B0---- 5B1---- 5B2----
//   rank 2  .   .   2F0 2F1 2F2 2F3 6F0 6F1 6F2 6F3 .   .   .   6B0---- 6B1---- 6B2---- 6B3----
//   rank 3  .   .   .   3F0 3F1 3F2 3F3 7F0 7F1 7F2 7F3 7B0---- 7B1---- 7B2---- 7B3---- 3B0----
//
//   rank 0  4B2---- 4B3---- 0B0---- 0B1---- 0B2---- 0B3----
//   rank 1  5B3---- 1B0---- 1B1---- 1B2---- 1B3---- .   .
//   rank 2  2B0---- 2B1---- 2B2---- 2B3---- .   .   .   .
//   rank 3  3B1---- 3B2---- 3B3---- .   .   .   .   .   .
//
// Idle (common end): (p − 1)(tF + tB)/v; with fewer micro-batches than ranks every turn but the
// last waits for (p − m)(tF + tB)/v more. Activations kept: m micro-batches on every rank.
// Source: Lamy-Poirier 2022 (arXiv:2211.05953).

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Loop placement.  Throws InvalidArgument unless there is at least one rank, micro-batch and stage
/// per rank.
Schedule looped_bfs(PipelineSize size);

}  // namespace lockflight::schedule
