#include "lockflight/schedule/gpipe.h"

#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(GPipeTest, RunsAllForwardsThenAllBackwardsInAscendingOrder) {
  const Schedule schedule = gpipe({.ranks = 2, .micro_batches = 3});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0F2 0B0 0B1 0B2");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1F2 1B0 1B1 1B2");
}

TEST(GPipeTest, IsIdleForOneForwardAndBackwardOfEveryOtherRank) {
  for_each_size([](PipelineSize size, StageTimes t) {
    expect_idle(make_timetable(gpipe(size), t),
                (size.ranks - 1) * (t.forward + t.input_gradient + t.weight_gradient));
  });
}

TEST(GPipeTest, KeepsEveryMicroBatch) {
  for_each_size([](PipelineSize size, StageTimes) {
    EXPECT_EQ(peak_activations(gpipe(size)), std::vector<int>(size.ranks, size.micro_batches));
  });
}

}  // namespace
}  // namespace lockflight::schedule
