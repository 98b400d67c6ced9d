// Which rank holds which stage, and where a micro-batch goes in and comes out.
//
// As a rule the stages are one chain: micro-batches go in at the first and come out of the last.
// In two-way placement (DualPipe) there are two copies of the model, each a chain of its own:
//
//   copy 0   0 ▶ 1 ▶ 2 ▶ 3      stages on the ranks 0 1 2 3; the first half of the micro-batches
//   copy 1   7 ◀ 6 ◀ 5 ◀ 4      the other half; part k of the model is stage k, and stage p + k

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

  /// Two copies of a model, one down the ranks and one up: stage s lies where v has it, but stage
  /// `ranks` is the first of the second copy.  Throws InvalidArgument unless ranks is even and at
  /// least 2.
  static Placement two_way(int ranks);

  int ranks() const { return static_cast<int>(stages_of_rank_.size()); }
  int stages() const { return static_cast<int>(rank_of_stage_.size()); }

  /// stage is in 0 … stages() − 1.
  int rank_of(int stage) const { return rank_of_stage_[stage]; }

  /// Ascending.  rank is in 0 … ranks() − 1.
  const std::vector<int>& stages_of(int rank) const { return stages_of_rank_[rank]; }

  /// Of the model: 1, or 2 in two-way placement.
  int copies() const { return copies_; }
  /// Into how many stages a copy is cut.
  int parts() const { return stages() / copies_; }
  int copy_of(int stage) const { return stage / parts(); }
  int part_of(int stage) const { return stage % parts(); }
  /// Whether data goes in there; else its input is the output of the stage before.
  bool begins_copy(int stage) const { return part_of(stage) == 0; }
  /// Whether it has the loss; else its output is the input of the next stage.
  bool ends_copy(int stage) const { return part_of(stage) + 1 == parts(); }

  /// Micro-batches from `begin` on, before `end`.
  struct Range {
    int begin = 0;
    int end = 0;

    bool contains(int micro_batch) const { return begin <= micro_batch && micro_batch < end; }
  };
  /// Those that go through a stage, of `micro_batches` in all: the copies share them in equal runs.
  Range micro_batches_of(int stage, int micro_batches) const {
    const int share = micro_batches / copies_;
    return {.begin = copy_of(stage) * share, .end = (copy_of(stage) + 1) * share};
  }

  /// Where the stages of the first copy lie.
  Placement first_copy() const;

  friend bool operator==(const Placement&, const Placement&) = default;

 private:
  std::vector<int> rank_of_stage_;
  std::vector<std::vector<int>> stages_of_rank_;
  int copies_ = 1;
};

}  // namespace lockflight::schedule
