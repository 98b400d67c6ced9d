// Multisets of times, ordered by their largest element, then the next largest, and so on.

#pragma once

#include <compare>
#include <vector>

#include "partition/costs.h"

namespace lockflight::partition {

/// Kept as runs of equal elements, the largest first. Adding an element to two multisets of one
/// size keeps their order, so that a shortest path may be found stage by stage.
class TimeSet {
 public:
  TimeSet() = default;
  /// `base` and one more element.
  TimeSet(const TimeSet& base, Ticks more);

  std::size_t runs() const { return runs_.size(); }

  /// Compares `a` with one more element to `b` with one more; they have equally many elements.
  /// Takes the runs that it looks at from steps_left.
  static std::strong_ordering compare(const TimeSet& a, Ticks more_a, const TimeSet& b,
                                      Ticks more_b, std::int64_t& steps_left);

 private:
  struct Run {
    Ticks time;
    int count;
  };
  class Cursor;

  std::vector<Run> runs_;
};

}  // namespace lockflight::partition
