#include "lockflight/schedule/one_f_one_b.h"

#include <cstddef>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule one_f_one_b(PipelineSize size) {
  return one_stage_a_rank("1f1b", size, [&](int rank) {
    // While micro-batch 0 is under way to the last rank and back, p − r − 1 more can start.
    const int warm_up = size.ranks - rank - 1;
    return alternate(of_all_micro_batches(rank, ActionKind::forward, size.micro_batches),
                     of_all_micro_batches(rank, ActionKind::backward, size.micro_batches),
                     static_cast<std::size_t>(warm_up));
  });
}

}  // namespace lockflight::schedule
