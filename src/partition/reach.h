// Which cuts of a chain of stages can be reached within a limit of time per stage.
//
//   stage            first            first + 1             last − 1
//   cut       begin ───────▶ {i, i, …} ───────▶ {i, i, …} ───────▶ end
//
// For every stage, the set of layers at which it can begin such that it and all stages in front
// fit. A set is found from the one in front in linear time: with time = entry(begin) + exit(end),
// a cut is reached if the least entry among the begins that memory allows is small enough, and
// those begins form a window that moves upwards only.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partition/costs.h"
#include "partition/cuts.h"

namespace lockflight::partition {

constexpr Ticks kNever = Ticks{1} << 60;  // longer than anything takes

/// Stages first … last − 1 with layers begin … end − 1.
struct Segment {
  int first = 0;
  int last = 0;
  int begin = 0;
  int end = 0;
};

class Reach {
 public:
  /// Each stage has memory_of_stage[s] bytes of its own, and nothing is recomputed.
  Reach(const Costs& costs, const Cuts& cuts, std::span<const std::int64_t> memory_of_stage);

  /// Narrows what is looked at to a superset of the cuts in partitions of the segment whose stages
  /// take at most `limit` each.  False if there is obviously none.
  bool narrow(const Segment& segment, Ticks limit);

  struct Forward {
    bool reached = false;
    Ticks next = kNever;  ///< no limit below is enough, if not reached
  };
  /// Whether stages of at most `limit` each lead to the end, within what was narrowed to.
  Forward forward(Ticks limit);

  /// After a successful forward(): the cuts first … last of a partition within the limit that
  /// shares the work among the stages as evenly as a look at each alone can tell.
  std::vector<int> path(Ticks limit) const;

  /// After a successful forward(): takes away all cuts that do not lead to the end.
  void backward(Ticks limit);

  /// What is left of a stage's cuts, ascending.
  std::vector<int> cuts_of(int stage) const;

  /// Whether a stage may have just these layers; its time.
  bool within_memory(int stage, int begin, int end) const { return earliest(stage, end) <= begin; }
  Ticks time(int stage, int begin, int end) const {
    return entries(stage)[begin] + exits(stage)[end];
  }
  Ticks slowest(const Segment& segment, std::span<const int> cuts) const;

  /// Cuts looked at so far.
  std::int64_t steps() const { return steps_; }

 private:
  const std::vector<Ticks>& entries(int stage) const { return entries_[kind_[stage]]; }
  const std::vector<Ticks>& exits(int stage) const { return exits_[kind_[stage]]; }
  int earliest(int stage, int end) const {
    return earliest_[stage].empty() ? 0 : earliest_[stage][end];
  }
  char& reached(int stage, int cut) { return reached_[offset_[stage] + cut - low_[stage]]; }
  bool reached(int stage, int cut) const { return reached_[offset_[stage] + cut - low_[stage]]; }
  void find_kinds();
  void find_earliest(int stage, std::int64_t memory);
  int furthest_end(int stage, int begin, Ticks limit) const;
  int first_begin(int stage, int end, Ticks limit) const;
  void forward_through(int stage, Ticks limit, Forward& result);
  void backward_through(int stage, Ticks limit);

  const Costs& costs_;
  const Cuts& cuts_;
  std::vector<int> kind_;  // of a stage; entries and exits are kept once per kind
  std::vector<std::vector<Ticks>> entries_;
  std::vector<std::vector<Ticks>> exits_;
  std::vector<std::vector<int>> earliest_;  // [stage][end]: the first begin within memory, or end
  std::vector<double> speed_before_;        // sum over the stages in front

  Segment segment_;
  std::vector<int> low_;  // [stage]: bounds of its cut
  std::vector<int> high_;
  std::vector<std::size_t> offset_;  // [stage]: of its cuts in reached_
  std::vector<char> reached_;
  std::vector<int> window_;
  std::int64_t steps_ = 0;
};

}  // namespace lockflight::partition
