#include "lockflight/schedule/interleaved.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(InterleavedTest, TakesGroupsOfMicroBatchesThroughTheStagesOfARank) {
  const Schedule schedule = interleaved({.ranks = 2, .micro_batches = 4, .stages_per_rank = 2});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 2F0 2F1 0F2 2B0 0F3 2B1 2F2 0B0 2F3 0B1 2B2 2B3 0B2 0B3");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 3F0 3B0 3F1 3B1 1F2 1B0 1F3 1B1 3F2 3B2 3F3 3B3 1B2 1B3");
}

TEST(InterleavedTest, LetsTheLastGroupTakeWhatIsLeft) {
  const Schedule schedule = interleaved({.ranks = 2, .micro_batches = 5, .stages_per_rank = 2});
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 2F0 2F1 0F2 0F3 2B0 0F4 2B1 2F2 0B0 2F3 0B1 2F4 2B2 2B3 2B4 0B2 0B3 0B4");
  EXPECT_EQ(line(schedule, 1),
            "1F0 1F1 3F0 3F1 3B0 1F2 3B1 1F3 1B0 1F4 1B1 3F2 3B2 3F3 3B3 3F4 3B4 1B2 1B3 1B4");
}

TEST(InterleavedTest, IsIdleForOneStageOfEveryOtherRank) {
  for_each_size_and_stages([](PipelineSize size, StageTimes t) {
    if (size.micro_batches % size.ranks == 0) {
      expect_idle(make_timetable(interleaved(size), t),
                  (size.ranks - 1) * (t.forward + t.input_gradient + t.weight_gradient));
    }
  });
}

TEST(InterleavedTest, KeepsTheStagesOfItsWarmUpAndOne) {
  for_each_size_and_stages([](PipelineSize size, StageTimes) {
    const auto [p, m, v] = size;
    const std::vector<int> peaks = peak_activations(interleaved(size));
    for (int r = 0; r < p && m % p == 0; ++r) {
      EXPECT_EQ(peaks[r], std::min(m * v, (v - 1) * p + 2 * (p - 1 - r) + 1)) << "rank " << r;
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
