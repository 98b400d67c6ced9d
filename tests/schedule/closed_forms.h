// Sizes and times over which the closed forms of the generators are checked.

#pragma once

#include <algorithm>
#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/schedule/timetable.h"
#include "sanitized.h"

namespace lockflight::schedule {

inline constexpr int kMostMicroBatches = test::kSanitized ? 12 : 24;

/// Calls check(size, times) for every p ≤ 8, m ≤ 24 and for even and uneven times of F, I and W,
/// which are multiples of 1/4, so that sums of them are exact.
inline void for_each_size(const std::function<void(PipelineSize, StageTimes)>& check) {
  for (int p = 1; p <= 8; ++p) {
    for (int m = 1; m <= kMostMicroBatches; ++m) {
      for (const StageTimes times : {StageTimes{1, 1, 1}, StageTimes{1, 2, 0.5},
                                     StageTimes{3, 0.25, 1}, StageTimes{0.5, 1, 4}}) {
        SCOPED_TRACE(testing::Message()
                     << "p " << p << " m " << m << " tF " << times.forward << " tI "
                     << times.input_gradient << " tW " << times.weight_gradient);
        check({.ranks = p, .micro_batches = m}, times);
      }
    }
  }
}

/// Calls check(size) for the same sizes, for forms that hold where F, I and W take the same time.
inline void for_each_size_at_unit_times(const std::function<void(PipelineSize)>& check) {
  for_each_size([&](PipelineSize size, StageTimes t) {
    if (t.forward == t.input_gradient && t.forward == t.weight_gradient) {
      check(size);
    }
  });
}

/// Every rank's idle time until the common end is `idle`.
inline void expect_idle(const Timetable& timetable, double idle) {
  for (int rank = 0; rank < static_cast<int>(timetable.rows.size()); ++rank) {
    EXPECT_EQ(timetable.makespan() - timetable.busy(rank), idle) << "rank " << rank;
  }
  EXPECT_NEAR(timetable.idle_share(), idle / timetable.makespan(), 1e-12);
}

/// The longest that a rank waits in all between its own first and last action.
inline double largest_gap(const Timetable& timetable) {
  double largest = 0;
  for (int rank = 0; rank < static_cast<int>(timetable.rows.size()); ++rank) {
    const std::vector<TimedCell>& row = timetable.rows[rank];
    largest = std::max(largest, row.back().end - row.front().begin - timetable.busy(rank));
  }
  return largest;
}

/// As for_each_size for schedules with several stages a rank: every p ≤ 6, m ≤ 24, v ≤ 4.  The
/// times are those of one stage: a rank takes v times as long for a micro-batch.
inline void for_each_size_and_stages(const std::function<void(PipelineSize, StageTimes)>& check) {
  for_each_size([&](PipelineSize size, StageTimes times) {
    for (size.stages_per_rank = 1; size.stages_per_rank <= 4; ++size.stages_per_rank) {
      if (size.ranks <= 6) {
        SCOPED_TRACE(testing::Message() << "v " << size.stages_per_rank);
        check(size, times);
      }
    }
  });
}

}  // namespace lockflight::schedule
