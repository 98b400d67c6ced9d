#include "lockflight/schedule/zb_2p.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(Zb2pTest, FillsTheTimeUntilTheFirstBackwardWithForwards) {
  const Schedule schedule = zb_2p({.ranks = 3, .micro_batches = 6});
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 0F2 0F3 0F4 0I0 0W0 0F5 0I1 0W1 0I2 0W2 0I3 0W3 0I4 0W4 0I5 0W5");
  EXPECT_EQ(line(schedule, 1),
            "1F0 1F1 1F2 1I0 1F3 1I1 1F4 1I2 1W0 1F5 1I3 1W1 1I4 1W2 1I5 1W3 1W4 1W5");
  EXPECT_EQ(line(schedule, 2),
            "2F0 2I0 2F1 2I1 2F2 2I2 2F3 2I3 2F4 2I4 2W0 2F5 2I5 2W1 2W2 2W3 2W4 2W5");
}

TEST(Zb2pTest, IsIdleForTheLongestOfThreeWaysThroughTheRanks) {
  for_each_size([](PipelineSize size, StageTimes t) {
    if (size.micro_batches >= 2 * size.ranks - 1) {
      const Timetable timetable = make_timetable(zb_2p(size), t);
      const double late = t.input_gradient - t.forward;
      const double short_of = t.forward + t.input_gradient - 2 * t.weight_gradient;
      expect_idle(timetable, (size.ranks - 1) * std::max({t.forward, late, short_of}));
      EXPECT_EQ(largest_gap(timetable), (size.ranks - 1) * std::max({0.0, late, short_of}));
    }
  });
}

TEST(Zb2pTest, KeepsOneLessThanTwiceAsManyMicroBatchesAsThereAreRanks) {
  for_each_size([](PipelineSize size, StageTimes) {
    EXPECT_EQ(peak_activations(zb_2p(size)),
              std::vector<int>(size.ranks, std::min(size.micro_batches, 2 * size.ranks - 1)));
  });
}

}  // namespace
}  // namespace lockflight::schedule
