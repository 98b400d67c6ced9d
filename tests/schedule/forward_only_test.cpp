#include "lockflight/schedule/forward_only.h"

#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(ForwardOnlyTest, RunsEveryForwardOnceInAscendingOrder) {
  const Schedule schedule = forward_only({.ranks = 2, .micro_batches = 3});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0F2");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1F2");
  EXPECT_FALSE(has_backward(schedule));
}

TEST(ForwardOnlyTest, IsIdleForOneForwardOfEveryOtherRank) {
  for_each_size([](PipelineSize size, StageTimes t) {
    expect_idle(make_timetable(forward_only(size), t), (size.ranks - 1) * t.forward);
  });
}

TEST(ForwardOnlyTest, KeepsNothing) {
  for_each_size([](PipelineSize size, StageTimes) {
    EXPECT_EQ(peak_activations(forward_only(size)), std::vector<int>(size.ranks, 0));
  });
}

}  // namespace
}  // namespace lockflight::schedule
