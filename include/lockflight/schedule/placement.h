// Which rank holds which stage.

#pragma once

#include <vector>

namespace lockflight::schedule {

/// Every stage lies on one rank, every rank holds at least one stage, ranks and stages are numbered
/// from 0. The empty placement has neither.
class Placement {
 public:
  struct LoopSize {
    int ranks = 1;
    int stages_per_rank = 1;
  };

  Placement() = default;

  /// Stage s lies on rank rank_of_stage[s].
  /// Throws InvalidArgument if a rank is negative or a rank below the largest holds no stage.
  explicit Placement(std::vector<int> rank_of_stage);

  /// Stage s lies on rank s mod ranks.  Throws InvalidArgument unless both sizes are at least 1.
  static Placement loop(LoopSize size);

  /// Two stages a rank, down and up again: stage s lies on rank s, or 2·ranks − 1 − s from the
  /// turn on.  Throws InvalidArgument unless ranks is at least 1.
  static Placement v(int ranks);

  int ranks() const { return static_cast<int>(stages_of_rank_.size()); }
  int stages() const { return static_cast<int>(rank_of_stage_.size()); }

  /// stage is in 0 … stages() − 1.
  int rank_of(int stage) const { return rank_of_stage_[stage]; }

  /// Ascending.  rank is in 0 … ranks() − 1.
  const std::vector<int>& stages_of(int rank) const { return stages_of_rank_[rank]; }

  friend bool operator==(const Placement&, const Placement&) = default;

 private:
  std::vector<int> rank_of_stage_;
  std::vector<std::vector<int>> stages_of_rank_;
};

}  // namespace lockflight::schedule
