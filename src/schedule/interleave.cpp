#include "schedule/interleave.h"

#include <algorithm>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {

// A group of fewer than p would be through the ranks before the next stage's turn comes: the
// warm-up, which counts on groups of at least p, would be too short and ranks would wait in a
// circle.
std::vector<Group> groups_of(std::string_view name, PipelineSize size) {
  const int step = size.group == 0 ? size.ranks : size.group;
  if (step < size.ranks) {
    throw InvalidArgument(
        fmt::format("schedule {}: groups of {} micro-batches on {} ranks; a group needs at least "
                    "as many as there are ranks, {}",
                    name, step, size.ranks, size.ranks));
  }
  std::vector<Group> groups;
  int begin = 0;
  for (; begin + step <= size.micro_batches; begin += step) {
    groups.push_back({begin, begin + step});
  }
  if (groups.empty() || size.micro_batches - begin >= size.ranks) {
    groups.push_back({begin, begin});
  }
  groups.back().end = size.micro_batches;
  return groups;
}

int largest(const std::vector<Group>& groups) {
  return std::ranges::max(groups, {}, &Group::size).size();
}

std::vector<Action> by_groups(ActionKind kind, int rank, PipelineSize size,
                              const std::vector<Group>& groups) {
  std::vector<Action> actions;
  for (const Group& group : groups) {
    for (int i = 0; i < size.stages_per_rank; ++i) {
      const int turn = kind == ActionKind::forward ? i : size.stages_per_rank - 1 - i;
      for (int micro_batch = group.begin; micro_batch < group.end; ++micro_batch) {
        actions.push_back({turn * size.ranks + rank, kind, micro_batch});
      }
    }
  }
  return actions;
}

}  // namespace lockflight::schedule
