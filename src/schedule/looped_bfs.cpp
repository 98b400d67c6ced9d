#include "lockflight/schedule/looped_bfs.h"

#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule looped_bfs(PipelineSize size) {
  size = checked("looped-bfs", size);
  return in_loop_placement("looped-bfs", size, [&](int rank) {
    std::vector<Action> order;
    for (int turn = 0; turn < size.stages_per_rank; ++turn) {
      for (int micro_batch = 0; micro_batch < size.micro_batches; ++micro_batch) {
        order.push_back({turn * size.ranks + rank, ActionKind::forward, micro_batch});
      }
    }
    for (int turn = size.stages_per_rank - 1; turn >= 0; --turn) {
      for (int micro_batch = 0; micro_batch < size.micro_batches; ++micro_batch) {
        order.push_back({turn * size.ranks + rank, ActionKind::backward, micro_batch});
      }
    }
    return order;
  });
}

}  // namespace lockflight::schedule
