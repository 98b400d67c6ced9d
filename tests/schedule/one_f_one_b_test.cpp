#include "lockflight/schedule/one_f_one_b.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(OneFOneBTest, AlternatesAfterAWarmUpThatIsShorterOnLaterRanks) {
  const Schedule schedule = one_f_one_b({.ranks = 4, .micro_batches = 6});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0F2 0F3 0B0 0F4 0B1 0F5 0B2 0B3 0B4 0B5");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1F2 1B0 1F3 1B1 1F4 1B2 1F5 1B3 1B4 1B5");
  EXPECT_EQ(line(schedule, 2), "2F0 2F1 2B0 2F2 2B1 2F3 2B2 2F4 2B3 2F5 2B4 2B5");
  EXPECT_EQ(line(schedule, 3), "3F0 3B0 3F1 3B1 3F2 3B2 3F3 3B3 3F4 3B4 3F5 3B5");
}

TEST(OneFOneBTest, RunsFewerMicroBatchesThanRanks) {
  const Schedule schedule = one_f_one_b({.ranks = 4, .micro_batches = 2});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0B0 0B1");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1B0 1B1");
  EXPECT_EQ(line(schedule, 2), "2F0 2F1 2B0 2B1");
  EXPECT_EQ(line(schedule, 3), "3F0 3B0 3F1 3B1");
}

TEST(OneFOneBTest, IsIdleForOneForwardAndBackwardOfEveryOtherRank) {
  for_each_size([](PipelineSize size, StageTimes t) {
    expect_idle(make_timetable(one_f_one_b(size), t),
                (size.ranks - 1) * (t.forward + t.input_gradient + t.weight_gradient));
  });
}

TEST(OneFOneBTest, KeepsAsManyMicroBatchesAsThereAreRanksToTheEnd) {
  for_each_size([](PipelineSize size, StageTimes) {
    const std::vector<int> peaks = peak_activations(one_f_one_b(size));
    for (int rank = 0; rank < size.ranks; ++rank) {
      EXPECT_EQ(peaks[rank], std::min(size.micro_batches, size.ranks - rank)) << "rank " << rank;
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
