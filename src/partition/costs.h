// A problem's times as integers and its bytes, of any stage with any layers in constant time.

#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "lockflight/partition/problem.h"

namespace lockflight::partition {

/// Times as whole numbers, so that they add up exactly in any order.
using Ticks = std::int64_t;

/// At least the seconds that any partition takes, all stages and transfers together.
double most_seconds(const Problem& problem);

/// The largest of any run of values in constant time.
class RangeMax {
 public:
  explicit RangeMax(std::vector<std::int64_t> values);
  std::int64_t operator()(int begin, int end) const;  ///< begin < end

 private:
  std::vector<std::vector<std::int64_t>> level_;  // level_[k][i]: of the 2^k values from i on
};

/// What holding some layers takes of a rank, with nothing recomputed or as little as possible.
struct Memory {
  std::int64_t held = 0;
  std::int64_t transient = 0;

  std::int64_t bytes() const { return held + transient; }
  void add(const Memory& other);
};

class Costs {
 public:
  /// The problem has passed check() and outlives this.
  explicit Costs(const Problem& problem);

  const Problem& problem() const { return problem_; }
  int layers() const { return static_cast<int>(problem_.layers.size()); }
  int stages() const { return problem_.stages(); }
  int rank_of(int stage) const { return problem_.rank_of_stage[stage]; }
  const Rank& rank_at(int stage) const { return problem_.ranks[rank_of(stage)]; }

  /// The layers before `end`, on the rank of a stage.
  Ticks work(int stage, int end) const {
    return static_cast<Ticks>(work_before_[end] / rank_at(stage).speed);
  }
  /// The time of a stage is entry(stage, begin) + exit(stage, end).
  Ticks entry(int stage, int begin) const;
  Ticks exit(int stage, int end) const;
  Ticks time(int stage, int begin, int end) const { return entry(stage, begin) + exit(stage, end); }
  /// In ticks · speed: what two ranks of speed 1 would share equally.
  double work_between(int begin, int end) const { return work_before_[end] - work_before_[begin]; }
  /// Whether stages a and b take the same time with the same layers, if neither is first or last.
  bool alike(int a, int b) const;

  /// What recomputing a layer adds to the time of its rank.
  Ticks recomputing(int rank, int layer) const;

  double seconds(Ticks ticks) const;

  /// One layer, recomputed or not.
  Memory memory_of(int stage, int layer, bool recomputed) const;
  /// Nothing recomputed.
  Memory memory(int stage, int begin, int end) const;
  /// At most what any choice of recomputed layers needs.
  Memory least_memory(int stage, int begin, int end) const;

 private:
  /// What stages receive from the one `step` before them, for each stage and layer.
  std::vector<Ticks> transfers(int step) const;
  Ticks transfer(int from_stage, int to_stage, int layer) const;
  std::size_t place_of(int stage, int layer) const {
    return static_cast<std::size_t>(stage) * problem_.layers.size() + layer;
  }
  Ticks to_ticks(double seconds) const;
  const Link& link(int from_rank, int to_rank) const;

  const Problem& problem_;
  int exponent_ = 0;                 // a tick is 2^−exponent_ seconds
  std::vector<double> work_before_;  // whole numbers
  std::vector<std::int64_t> parameters_before_;
  std::vector<std::int64_t> saved_before_;
  std::vector<std::int64_t> least_saved_before_;
  RangeMax transient_;
  RangeMax least_transient_;
  std::vector<Ticks> from_before_;  // at place_of(stage, layer), as a search asks for them often
  std::vector<Ticks> from_behind_;
};

}  // namespace lockflight::partition
