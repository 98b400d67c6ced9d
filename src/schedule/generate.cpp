#include "schedule/generate.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {

PipelineSize checked(std::string_view name, PipelineSize size) {
  if (size.ranks < 1 || size.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("schedule {}: {} ranks and {} micro-batches; there must be at least 1 of each",
                    name, size.ranks, size.micro_batches));
  }
  if (size.stages_per_rank < 0) {
    throw InvalidArgument(fmt::format("schedule {}: {} stages per rank; there must be at least 1",
                                      name, size.stages_per_rank));
  }
  size.stages_per_rank = std::max(1, size.stages_per_rank);
  return size;
}

Schedule in_loop_placement(std::string name, PipelineSize size, const OrderOfRank& order) {
  size = checked(name, size);
  Schedule schedule{
      .name = std::move(name),
      .micro_batches = size.micro_batches,
      .placement = Placement::loop({.ranks = size.ranks, .stages_per_rank = size.stages_per_rank}),
      .rows = {}};
  for (int rank = 0; rank < size.ranks; ++rank) {
    schedule.rows.push_back(one_by_one(order(rank)));
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

Schedule in_v_placement(std::string name, PipelineSize size, const CellsOfRank& cells) {
  if (size.stages_per_rank != 0 && size.stages_per_rank != 2) {
    throw InvalidArgument(
        fmt::format("schedule {}: {} stages per rank; it has 2, one on the way down and one on the "
                    "way up",
                    name, size.stages_per_rank));
  }
  checked(name, size);
  Schedule schedule{.name = std::move(name),
                    .micro_batches = size.micro_batches,
                    .placement = Placement::v(size.ranks),
                    .rows = {}};
  for (int rank = 0; rank < size.ranks; ++rank) {
    schedule.rows.push_back(cells(rank));
  }
  return schedule;
}

std::vector<Cell> one_by_one(const std::vector<Action>& actions) {
  std::vector<Cell> cells;
  cells.reserve(actions.size());
  for (const Action& action : actions) {
    cells.push_back({action});
  }
  return cells;
}

std::vector<Action> of_all_micro_batches(int stage, ActionKind kind, int micro_batches) {
  std::vector<Action> actions;
  for (int micro_batch = 0; micro_batch < micro_batches; ++micro_batch) {
    actions.push_back({stage, kind, micro_batch});
  }
  return actions;
}

std::vector<Action> alternate(const std::vector<Action>& forwards,
                              const std::vector<Action>& backwards, std::size_t warm_up) {
  std::vector<Action> order;
  auto backward = backwards.begin();
  for (std::size_t i = 0; i < forwards.size(); ++i) {
    order.push_back(forwards[i]);
    if (i >= warm_up) {
      order.push_back(*backward++);
    }
  }
  order.insert(order.end(), backward, backwards.end());
  return order;
}

std::vector<Action> split_backwards(const std::vector<Action>& order, std::size_t delay) {
  std::vector<Action> split;
  std::vector<Action> weights;  // in the order of their I
  std::size_t next = 0;         // of those
  for (Action action : order) {
    if (action.kind != ActionKind::backward) {
      split.push_back(action);
      continue;
    }
    action.kind = ActionKind::weight_gradient;
    weights.push_back(action);
    action.kind = ActionKind::input_gradient;
    split.push_back(action);
    if (weights.size() > delay) {
      split.push_back(weights[next++]);
    }
  }
  split.insert(split.end(), weights.begin() + static_cast<std::ptrdiff_t>(next), weights.end());
  return split;
}

}  // namespace lockflight::schedule
