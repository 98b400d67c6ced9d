// Interleaved 1F1B: each rank holds several stages that lie p apart, so a micro-batch passes every
// rank several times, and the pipeline fills and drains in steps of one stage.
//
//   rank 0  0F0 0F1 0F2 0F3 4F0 4F1 4F2 4F3 .   .   .   .   .   .   4B0---- .   4B1---- .   4B2-
//   rank 1  .   1F0 1F1 1F2 1F3 5F0 5F1 5F2 5F3 .   .   .   5B0---- .   5B1---- .   5B2---- .
//   rank 2  .   .   2F0 2F1 2F2 2F3 6F0 6F1 6F2 .   6B0---- 6F3 6B1---- .   6B2---- .   6B3----
//   rank 3  .   .   .   3F0 3F1 3F2 3F3 7F0 7B0---- 7F1 7B1---- 7F2 7B2---- 7F3 7B3---- 3B0----
//
//   rank 0  --- .   4B3---- 0B0---- 0B1---- 0B2---- 0B3----
//   rank 1  5B3---- 1B0---- 1B1---- 1B2---- 1B3---- .   .
//   rank 2  2B0---- 2B1---- 2B2---- 2B3---- .   .   .   .
//   rank 3  3B1---- 3B2---- 3B3---- .   .   .   .   .   .
//
// Micro-batches go through the stages of a rank in groups: of p, or of a larger given number. Where
// it does not divide m, what is left is a group too, or joins the last one if it is less than p.
// With g in the largest group, rank r runs (v − 1)g + 2(p − 1 − r) forwards before it alternates.
//
// Idle (common end), where g divides m: (p − 1)(tF + tB)/v. Activations kept there:
// ((v − 1)g + 2(p − 1 − r) + 1)/v micro-batches on rank r, at most m.
// Source: Narayanan et al. 2021 (arXiv:2104.04473), section 2.2.2.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Loop placement.  Throws InvalidArgument unless there is at least one rank, micro-batch and stage
/// per rank, and for groups of fewer micro-batches than ranks.
Schedule interleaved(PipelineSize size);

}  // namespace lockflight::schedule
