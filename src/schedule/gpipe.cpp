#include "lockflight/schedule/gpipe.h"

#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {

Schedule gpipe(PipelineSize size) {
  return one_stage_a_rank("gpipe", size, [&](int rank) {
    std::vector<Action> order;
    for (const ActionKind kind : {ActionKind::forward, ActionKind::backward}) {
      for (int micro_batch = 0; micro_batch < size.micro_batches; ++micro_batch) {
        order.push_back({rank, kind, micro_batch});
      }
    }
    return order;
  });
}

}  // namespace lockflight::schedule
