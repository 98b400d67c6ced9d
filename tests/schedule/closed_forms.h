// Sizes and times over which the closed forms of the generators are checked.

#pragma once

#include <functional>

#include <gtest/gtest.h>

#include "lockflight/schedule/timetable.h"

namespace lockflight::schedule {

/// Calls check(size, times) for every p ≤ 8, m ≤ 12 and for even and uneven times of F, I and W,
/// which are multiples of 1/4, so that sums of them are exact.
inline void for_each_size(const std::function<void(PipelineSize, StageTimes)>& check) {
  for (int p = 1; p <= 8; ++p) {
    for (int m = 1; m <= 12; ++m) {
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

/// Every rank's idle time until the common end is `idle`.
inline void expect_idle(const Timetable& timetable, double idle) {
  for (int rank = 0; rank < static_cast<int>(timetable.rows.size()); ++rank) {
    EXPECT_EQ(timetable.makespan() - timetable.busy(rank), idle) << "rank " << rank;
  }
  EXPECT_NEAR(timetable.idle_share(), idle / timetable.makespan(), 1e-12);
}

/// The same for schedules with several stages a rank: every p ≤ 6, m ≤ 12, v ≤ 4.  The times are
/// those of one stage: a rank takes v times as long for a micro-batch.
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
