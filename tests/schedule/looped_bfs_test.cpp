#include "lockflight/schedule/looped_bfs.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(LoopedBfsTest, RunsAllMicroBatchesOfOneStageBeforeTheNext) {
  const Schedule schedule = looped_bfs({.ranks = 2, .micro_batches = 3, .stages_per_rank = 2});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0F2 2F0 2F1 2F2 2B0 2B1 2B2 0B0 0B1 0B2");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1F2 3F0 3F1 3F2 3B0 3B1 3B2 1B0 1B1 1B2");
}

TEST(LoopedBfsTest, IsIdleForOneStageOfEveryOtherRank) {
  for_each_size_and_stages([](PipelineSize size, StageTimes t) {
    const auto [p, m, v, group] = size;
    const double turn = t.forward + t.input_gradient + t.weight_gradient;
    expect_idle(make_timetable(looped_bfs(size), t),
                (p - 1) * turn + (v - 1) * std::max(0, p - m) * turn);
  });
}

TEST(LoopedBfsTest, KeepsEveryMicroBatchOfEveryStage) {
  for_each_size_and_stages([](PipelineSize size, StageTimes) {
    EXPECT_EQ(peak_activations(looped_bfs(size)),
              std::vector<int>(size.ranks, size.micro_batches * size.stages_per_rank));
  });
}

}  // namespace
}  // namespace lockflight::schedule
