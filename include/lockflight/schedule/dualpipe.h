// DualPipe: two copies of the model, and micro-batches that enter at both ends of the pipeline.
// Half of them go down the ranks through the first copy, half up through the second one; where they
// meet, the forward of one and the backward of the other run as an overlapped pair.
//
//   rank 0  0F0 0F1 0F2 7F4 7I4 7W4 7F5 0F3 7B5---- .   7F6 0B0---- 7B6---- .   7F7
//   rank 1  .   1F0 6F4 1F1 6F5 1F2 6B4---- 6F6 1B0---- 1F3 6B5---- 6F7 1B1---- 6B6-
//   rank 2  .   5F4 2F0 5F5 2F1 5F6 2B0---- 2F2 5B4---- 5F7 2B1---- 2F3 5B5---- 2B2-
//   rank 3  4F4 4F5 4F6 3F0 3I0 3W0 3F1 4F7 3B1---- .   3F2 4B4---- 3B2---- .   3F3
//
//   rank 0  0B1---- 7B7---- 0I2 0W2 0I3 0W3
//   rank 1  --- 1B2---- .   6I7 1I3 6W7 1W3
//   rank 2  --- 5B6---- .   2I3 5I7 2W3 5W7
//   rank 3  4B5---- 3B3---- 4I6 4W6 4I7 4W7
//
// Micro-batches 0 … m/2 − 1 go through stages 0 … p − 1, the others through stages p … 2p − 1.
// Either half of the ranks, from the outside in, runs the eight phases of dualpipev.h for p/2 ranks
// and m/2 micro-batches each way; where DualPipeV turns on its last rank, the two ranks in the
// middle hand over to each other.
//
// Idle (common end) where tF = tI = tW: (p/2 − 1)(tFB + tB − 3tW), the times those of a stage, tFB
// that of a pair. Activations kept: p + 1 micro-batches of one stage at most, on every rank.
// Parameters and gradients are there twice. Source: DeepSeek-AI 2024 (arXiv:2412.19437),
// section 3.2.1; github.com/deepseek-ai/DualPipe.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// In two-way placement.  Throws InvalidArgument unless ranks are even, micro-batches are even
/// and at least two per rank, and stages per rank are two (or none said).
Schedule dualpipe(PipelineSize size);

}  // namespace lockflight::schedule
