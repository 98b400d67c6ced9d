#include "lockflight/schedule/forward_only.h"

#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
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

TEST(ForwardOnlyTest, RunsThroughStagesThatLieAnywhere) {
  const Schedule v = forward_only(Placement::v(2), 3);
  EXPECT_EQ(write_csv(v), "0F0,0F1,3F0,3F1,0F2,3F2\n1F0,1F1,2F0,2F1,1F2,2F2\n");
  for (int ranks = 1; ranks <= 4; ++ranks) {
    for (int micro_batches = 1; micro_batches <= 9; ++micro_batches) {
      for (const Placement& placement :
           {Placement::v(ranks), Placement::loop({.ranks = ranks, .stages_per_rank = 3})}) {
        const Schedule schedule = forward_only(placement, micro_batches);
        EXPECT_TRUE(validate(schedule).empty());
        EXPECT_NO_THROW(make_timetable(schedule));
      }
    }
  }
  EXPECT_THROW(forward_only(Placement::v(2), 0), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::schedule
