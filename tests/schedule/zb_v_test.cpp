#include "lockflight/schedule/zb_v.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(ZbVTest, GoesDownTheRanksAndUpAgain) {
  const Schedule schedule = zb_v({.ranks = 2, .micro_batches = 4});
  EXPECT_EQ(schedule.placement, Placement::v(2));
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 0F2 3F0 3I0 3W0 3F1 3I1 3W1 0F3 0I0 0W0 3F2 3I2 3W2 0I1 0W1 3F3 3I3 3W3 "
            "0I2 0W2 0I3 0W3");
  EXPECT_EQ(line(schedule, 1),
            "1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1F3 1I1 1W1 2F3 2I2 2W2 1I2 2I3 "
            "1I3 1W2 2W3 1W3");
}

TEST(ZbVTest, NeverWaitsBetweenItsFirstAndLastActionIfAllTakeTheSameTime) {
  for_each_size_at_unit_times([](PipelineSize size) {
    if (size.micro_batches >= 2 * size.ranks - 1) {
      const Timetable timetable = make_timetable(zb_v(size));
      EXPECT_EQ(largest_gap(timetable), 0);
      expect_idle(timetable, size.ranks - 1);
    }
  });
}

TEST(ZbVTest, KeepsAsManyMicroBatchesAsThereAreRanks) {
  for_each_size_at_unit_times([](PipelineSize size) {
    const int most = 2 * std::min(size.micro_batches, size.ranks);
    const std::vector<int> peaks = peak_activations(zb_v(size));
    EXPECT_LE(std::ranges::max(peaks), most);
    if (size.micro_batches >= 2 * size.ranks - 1) {
      EXPECT_EQ(peaks, std::vector<int>(size.ranks, most));
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
