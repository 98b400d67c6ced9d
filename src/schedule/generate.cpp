#include "schedule/generate.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {

Schedule one_stage_a_rank(std::string name, PipelineSize size,
                          const std::function<std::vector<Action>(int rank)>& order) {
  if (size.ranks < 1 || size.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("schedule {}: {} ranks and {} micro-batches; there must be at least 1 of each",
                    name, size.ranks, size.micro_batches));
  }
  Schedule schedule{.name = std::move(name),
                    .micro_batches = size.micro_batches,
                    .placement = Placement::loop({.ranks = size.ranks}),
                    .rows = {}};
  for (int rank = 0; rank < size.ranks; ++rank) {
    std::vector<Cell>& row = schedule.rows.emplace_back();
    for (const Action& action : order(rank)) {
      row.push_back({action});
    }
  }
  return schedule;
}

}  // namespace lockflight::schedule
