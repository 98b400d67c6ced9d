#include "lockflight/schedule/interleaved.h"

#include <algorithm>
#include <cstddef>
#include <vector>

#include "schedule/generate.h"

namespace lockflight::schedule {
namespace {

// A run of micro-batches that goes through one stage of a rank after the other.
struct Group {
  int begin = 0;
  int end = 0;
};

// A last group of fewer than p would be through the ranks before the next stage's turn comes: the
// warm-up, which counts on groups of p, would be too short and ranks would wait in a circle.
std::vector<Group> groups_of(PipelineSize size) {
  std::vector<Group> groups;
  const int count = std::max(1, size.micro_batches / size.ranks);
  for (int i = 0; i < count; ++i) {
    groups.push_back({i * size.ranks, (i + 1) * size.ranks});
  }
  groups.back().end = size.micro_batches;
  return groups;
}

std::vector<Action> all_of(ActionKind kind, int rank, PipelineSize size,
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

}  // namespace

Schedule interleaved(PipelineSize size) {
  return in_loop_placement("interleaved", size, [&](int rank) {
    const std::vector<Group> groups = groups_of(size);
    const std::vector<Action> forwards = all_of(ActionKind::forward, rank, size, groups);
    const std::vector<Action> backwards = all_of(ActionKind::backward, rank, size, groups);
    // The last group is the largest.
    const int largest = groups.back().end - groups.back().begin;
    const auto warm_up = static_cast<std::size_t>((size.stages_per_rank - 1) * largest +
                                                  2 * (size.ranks - 1 - rank));
    std::vector<Action> order;
    std::size_t next_backward = 0;
    for (std::size_t i = 0; i < forwards.size(); ++i) {
      order.push_back(forwards[i]);
      if (i >= warm_up) {
        order.push_back(backwards[next_backward++]);
      }
    }
    order.insert(order.end(), backwards.begin() + static_cast<std::ptrdiff_t>(next_backward),
                 backwards.end());
    return order;
  });
}

}  // namespace lockflight::schedule
