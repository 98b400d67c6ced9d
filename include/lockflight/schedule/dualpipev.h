// DualPipeV: DualPipe cut in half. Two stages a rank, down the ranks and up again; micro-batches on
// their way down and up meet on every rank, where the forward of one and the backward of the other
// run as an overlapped pair.
//
//   rank 0  0F0 0F1 0F2 0F3 0F4 0F5 0F6 7F0 7I0 7W0 7F1 7I1 7W1 7F2 7I2 7W2 7F3 0F7 7B3---- .
//   rank 1  .   1F0 1F1 1F2 1F3 1F4 6F0 1F5 6F1 6I0 6W0 6F2 6I1 6W1 6F3 1F6 6B2---- .   .   6F4
//   rank 2  .   .   2F0 2F1 2F2 5F0 2F3 5F1 2F4 5F2 5I0 5W0 5F3 2F5 5B1---- .   5F4 2B0---- 2F6
//   rank 3  .   .   .   3F0 4F0 3F1 4F1 3F2 4F2 3F3 4F3 3F4 4B0---- 4F4 3B0---- 3F5 4B1---- 4F5
//
//   rank 0  .   .   7F4 0B0---- 7B4---- .   7F5 0B1---- 7B5---- .   7F6 0B2---- 7B6---- .   7F7
//   rank 1  1B0---- 1F7 6B3---- 6F5 1B1---- 6B4---- .   6F6 1B2---- 6B5---- .   6F7 1B3---- 6B6-
//   rank 2  5B2---- 5F5 2B1---- 2F7 5B3---- 5F6 2B2---- 5B4---- .   5F7 2B3---- 5B5---- 2B4----
//   rank 3  3B1---- 3F6 4B2---- 4F6 3B2---- 3F7 4B3---- 4F7 3B3---- 4B4---- 3B4---- .   4B5----
//
//   rank 0  0B3---- 7B7---- 0I4 0W4 0I5 0W5 0I6 0W6 0I7 0W7
//   rank 1  --- 1B4---- .   6I7 1I5 6W7 1I6 1W5 1I7 1W6 1W7
//   rank 2  .   5B6---- 2I5 .   5I7 2I6 2W5 2I7 5W7 2W6 2W7
//   rank 3  3B5---- .   4I6 3I6 .   4I7 3I7 4W6 3W6 4W7 3W7
//
// With a = p − 1 − r ranks after it, b = r + 1 up to it, rank r runs eight phases:
// 1: 2a F down. 2: b times F down, F up. 3: a times I and W up, F up. 4: m − 2p + b times F down
// with B up, F up with B down. 5: a times B up, F up with B down. 6: b times B up, B down, the
// later half of these as I. 7: a times a W left over, I down. 8: the b W that are still left over.
//
// Idle (common end) where tF = tI = tW: (p − 1)(tFB + tB − 3tW)/2 with tFB the time of a pair.
// Activations kept: p + 1/2 micro-batches at most.
// Source: DeepSeek-AI 2024 (arXiv:2412.19437), section 3.2.1; github.com/deepseek-ai/DualPipe.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// Throws InvalidArgument unless there is at least one rank, two micro-batches per rank, and two
/// stages per rank (or none said).
Schedule dualpipev(PipelineSize size);

}  // namespace lockflight::schedule
