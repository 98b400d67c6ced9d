#include "lockflight/schedule/zb_1p.h"

#include <cstddef>
#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule zb_1p(PipelineSize size) {
  return one_stage_a_rank("zb-1p", size, [&](int rank) {
    const int warm_up = size.ranks - rank - 1;
    const std::vector<Action> order =
        alternate(of_all_micro_batches(rank, ActionKind::forward, size.micro_batches),
                  of_all_micro_batches(rank, ActionKind::backward, size.micro_batches),
                  static_cast<std::size_t>(warm_up));
    return split_backwards(order, static_cast<std::size_t>(rank));
  });
}

}  // namespace lockflight::schedule
