#include "lockflight/schedule/forward_only.h"

#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule forward_only(PipelineSize size) {
  return one_stage_a_rank("forward-only", size, [&](int rank) {
    std::vector<Action> order;
    for (int micro_batch = 0; micro_batch < size.micro_batches; ++micro_batch) {
      order.push_back({rank, ActionKind::forward, micro_batch});
    }
    return order;
  });
}

}  // namespace lockflight::schedule
