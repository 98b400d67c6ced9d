#include "lockflight/schedule/zb_1p.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(Zb1pTest, LeavesAsManyWeightGradientsForTheEndAsThereAreRanksBefore) {
  const Schedule schedule = zb_1p({.ranks = 4, .micro_batches = 6});
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 0F2 0F3 0I0 0W0 0F4 0I1 0W1 0F5 0I2 0W2 0I3 0W3 0I4 0W4 0I5 0W5");
  EXPECT_EQ(line(schedule, 1),
            "1F0 1F1 1F2 1I0 1F3 1I1 1W0 1F4 1I2 1W1 1F5 1I3 1W2 1I4 1W3 1I5 1W4 1W5");
  EXPECT_EQ(line(schedule, 3),
            "3F0 3I0 3F1 3I1 3F2 3I2 3F3 3I3 3W0 3F4 3I4 3W1 3F5 3I5 3W2 3W3 3W4 3W5");
}

TEST(Zb1pTest, IsIdleForTheLongestOfThreeWaysThroughTheRanks) {
  for_each_size([](PipelineSize size, StageTimes t) {
    if (size.micro_batches >= size.ranks) {
      expect_idle(make_timetable(zb_1p(size), t),
                  (size.ranks - 1) * std::max({t.forward, t.input_gradient,
                                               t.forward + t.input_gradient - t.weight_gradient}));
    }
  });
}

TEST(Zb1pTest, KeepsAsManyMicroBatchesAsThereAreRanks) {
  for_each_size([](PipelineSize size, StageTimes) {
    EXPECT_EQ(peak_activations(zb_1p(size)),
              std::vector<int>(size.ranks, std::min(size.micro_batches, size.ranks)));
  });
}

}  // namespace
}  // namespace lockflight::schedule
