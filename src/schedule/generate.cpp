#include "schedule/generate.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {

Schedule in_loop_placement(std::string name, PipelineSize size, const OrderOfRank& order) {
  if (size.ranks < 1 || size.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("schedule {}: {} ranks and {} micro-batches; there must be at least 1 of each",
                    name, size.ranks, size.micro_batches));
  }
  if (size.stages_per_rank < 1) {
    throw InvalidArgument(fmt::format("schedule {}: {} stages per rank; there must be at least 1",
                                      name, size.stages_per_rank));
  }
  Schedule schedule{
      .name = std::move(name),
      .micro_batches = size.micro_batches,
      .placement = Placement::loop({.ranks = size.ranks, .stages_per_rank = size.stages_per_rank}),
      .rows = {}};
  for (int rank = 0; rank < size.ranks; ++rank) {
    const std::vector<Action> actions = order(rank);
    std::vector<Cell>& row = schedule.rows.emplace_back();
    row.reserve(actions.size());
    for (const Action& action : actions) {
      row.push_back({action});
    }
  }
  return schedule;
}

Schedule one_stage_a_rank(std::string name, PipelineSize size, const OrderOfRank& order) {
  if (size.stages_per_rank > 1) {
    throw InvalidArgument(
        fmt::format("schedule {}: {} stages per rank; it has 1, try interleaved or looped-bfs",
                    name, size.stages_per_rank));
  }
  return in_loop_placement(std::move(name), size, order);
}

}  // namespace lockflight::schedule
