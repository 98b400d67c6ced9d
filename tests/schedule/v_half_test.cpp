#include "lockflight/schedule/v_half.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(VHalfTest, RepeatsABlockOfSixActions) {
  const Schedule schedule = v_half({.ranks = 2, .micro_batches = 3});
  EXPECT_EQ(schedule.placement, Placement::v(2));
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 3F0 3I0 3W0 0F2 3F1 3I1 3W1 0I0 0W0 3F2 3I2 3W2 0I1 0W1 "
            "0I2 0W2");
  EXPECT_EQ(line(schedule, 1),
            "1F0 2F0 1F1 2I0 2W0 2F1 1F2 1I0 2I1 2W1 2F2 1W0 1I1 2I2 2W2 1W1 "
            "1I2 1W2");
}

// In units of a stage's action, of which a rank's takes two.
TEST(VHalfTest, IsIdleForAboutHalfOfWhat1F1BIsIfAllTakeTheSameTime) {
  for_each_size_at_unit_times([](PipelineSize size) {
    const int p = size.ranks;
    if (size.micro_batches > p) {
      const int idle = p == 1 ? 0 : p % 2 == 0 ? (7 * p - 8) / 2 : (7 * p - 9) / 2;
      expect_idle(make_timetable(v_half(size)), idle);
      EXPECT_LE(idle, 6 * (p - 1));
    }
  });
}

TEST(VHalfTest, KeepsHalfAsManyMicroBatchesAsThereAreRanksAndOne) {
  for_each_size_at_unit_times([](PipelineSize size) {
    const int most = 2 * std::min(size.micro_batches, (size.ranks + 2) / 2);
    const std::vector<int> peaks = peak_activations(v_half(size));
    EXPECT_LE(std::ranges::max(peaks), most);
    if (size.micro_batches > size.ranks) {
      EXPECT_EQ(std::ranges::max(peaks), most);
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
