#include "lockflight/schedule/placement.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::schedule {

Placement::Placement(std::vector<int> rank_of_stage) : rank_of_stage_(std::move(rank_of_stage)) {
  const int stage_count = stages();
  for (int stage = 0; stage < stage_count; ++stage) {
    const int rank = rank_of_stage_[stage];
    if (rank < 0 || rank >= stage_count) {
      throw InvalidArgument(
          fmt::format("placement: stage {} lies on rank {}, but {} stages can fill only the ranks "
                      "0 to {}",
                      stage, rank, stage_count, stage_count - 1));
    }
    if (rank >= ranks()) {
      stages_of_rank_.resize(static_cast<std::size_t>(rank) + 1);
    }
    stages_of_rank_[rank].push_back(stage);
  }
  const auto empty = std::ranges::find_if(stages_of_rank_, &std::vector<int>::empty);
  if (empty != stages_of_rank_.end()) {
    throw InvalidArgument(fmt::format("placement: rank {} of {} holds no stage",
                                      empty - stages_of_rank_.begin(), ranks()));
  }
}

Placement Placement::loop(LoopSize size) {
  if (size.ranks < 1 || size.stages_per_rank < 1) {
    throw InvalidArgument(
        fmt::format("placement: {} ranks with {} stages each; both must be at least 1", size.ranks,
                    size.stages_per_rank));
  }
  std::vector<int> rank_of_stage;
  for (int turn = 0; turn < size.stages_per_rank; ++turn) {
    for (int rank = 0; rank < size.ranks; ++rank) {
      rank_of_stage.push_back(rank);
    }
  }
  return Placement(std::move(rank_of_stage));
}

Placement Placement::v(int ranks) {
  if (ranks < 1) {
    throw InvalidArgument(fmt::format("placement: {} ranks; there must be at least 1", ranks));
  }
  std::vector<int> rank_of_stage;
  for (int rank = 0; rank < ranks; ++rank) {
    rank_of_stage.push_back(rank);
  }
  for (int rank = ranks - 1; rank >= 0; --rank) {
    rank_of_stage.push_back(rank);
  }
  return Placement(std::move(rank_of_stage));
}

Placement Placement::two_way(int ranks) {
  if (ranks < 2 || ranks % 2 != 0) {
    throw InvalidArgument(fmt::format(
        "placement: {} ranks for two ways; there must be 2, 4, 6 or another even number", ranks));
  }
  Placement placement = v(ranks);
  placement.copies_ = 2;
  return placement;
}

Placement Placement::first_copy() const {
  return Placement({rank_of_stage_.begin(), rank_of_stage_.begin() + parts()});
}

}  // namespace lockflight::schedule
