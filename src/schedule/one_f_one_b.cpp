#include "lockflight/schedule/one_f_one_b.h"

#include <algorithm>
#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule one_f_one_b(PipelineSize size) {
  return one_stage_a_rank("1f1b", size, [&](int rank) {
    // While micro-batch 0 is under way to the last rank and back, p − r − 1 more can start.
    const int warm_up = std::min(size.micro_batches, size.ranks - rank - 1);
    std::vector<Action> order;
    int next_backward = 0;
    for (int micro_batch = 0; micro_batch < size.micro_batches; ++micro_batch) {
      order.push_back({rank, ActionKind::forward, micro_batch});
      if (micro_batch >= warm_up) {
        order.push_back({rank, ActionKind::backward, next_backward++});
      }
    }
    while (next_backward < size.micro_batches) {
      order.push_back({rank, ActionKind::backward, next_backward++});
    }
    return order;
  });
}

}  // namespace lockflight::schedule
