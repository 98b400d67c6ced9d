#include "tools/auto_schedule.h"

#include <optional>
#include <set>
#include <utility>

#include "lockflight/schedule/search.h"

namespace lockflight::tools {
namespace {

schedule::SearchProblem problem_of(const EvenPipeline& pipeline,
                                   const schedule::Placement& placement) {
  const double share = static_cast<double>(placement.ranks()) / placement.stages();
  const auto stages = static_cast<std::size_t>(placement.stages());
  return {.placement = placement,
          .micro_batches = pipeline.micro_batches,
          .times = {stages,
                    {.forward = pipeline.times.forward * share,
                     .input_gradient = pipeline.times.input_gradient * share,
                     .weight_gradient = pipeline.times.weight_gradient * share}},
          .forward_transfers = std::vector<double>(stages - 1, pipeline.transfer),
          .backward_transfers = std::vector<double>(stages - 1, pipeline.transfer),
          .saved = {},
          .memory_limits = {}};
}

}  // namespace

schedule::Schedule auto_schedule(const EvenPipeline& pipeline) {
  std::optional<schedule::FoundOrder> best;
  const auto try_placement = [&](const schedule::Placement& placement) {
    schedule::FoundOrder found = schedule::search(problem_of(pipeline, placement));
    if (!best || found.makespan < best->makespan) {
      best = std::move(found);
    }
  };
  for (const int count : std::set{1, pipeline.ranks > 1 ? 2 : 1, pipeline.stages_per_rank}) {
    try_placement(schedule::Placement::loop({.ranks = pipeline.ranks, .stages_per_rank = count}));
    if (count == 2 && pipeline.ranks > 1) {
      try_placement(schedule::Placement::v(pipeline.ranks));
    }
  }
  return std::move(best->schedule);
}

}  // namespace lockflight::tools
