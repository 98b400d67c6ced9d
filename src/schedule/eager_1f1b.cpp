#include "lockflight/schedule/eager_1f1b.h"

#include <cstddef>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule eager_1f1b(PipelineSize size) {
  return one_stage_a_rank("eager-1f1b", size, [&](int rank) {
    // The forward of the first pair makes it one more before the first backward.
    const int warm_up = 2 * (size.ranks - rank - 1);
    return alternate(of_all_micro_batches(rank, ActionKind::forward, size.micro_batches),
                     of_all_micro_batches(rank, ActionKind::backward, size.micro_batches),
                     static_cast<std::size_t>(warm_up));
  });
}

}  // namespace lockflight::schedule
