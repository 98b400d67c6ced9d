#include "lockflight/schedule/forward_only.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
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

Schedule forward_only(const Placement& placement, int micro_batches) {
  if (micro_batches < 1) {
    throw InvalidArgument(fmt::format(
        "schedule forward-only: {} micro-batches; there must be at least 1", micro_batches));
  }
  Schedule schedule{
      .name = "forward-only", .micro_batches = micro_batches, .placement = placement, .rows = {}};
  for (int rank = 0; rank < placement.ranks(); ++rank) {
    std::vector<Cell>& row = schedule.rows.emplace_back();
    for (int first = 0; first < micro_batches; first += placement.ranks()) {
      const int end = std::min(first + placement.ranks(), micro_batches);
      for (const int stage : placement.stages_of(rank)) {
        for (int micro_batch = first; micro_batch < end; ++micro_batch) {
          row.push_back({{stage, ActionKind::forward, micro_batch}});
        }
      }
    }
  }
  return schedule;
}

}  // namespace lockflight::schedule
