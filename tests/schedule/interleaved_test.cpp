#include "lockflight/schedule/interleaved.h"

#include <algorithm>
#include <functional>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
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

// Calls check(size) with groups of p and of more, up to m.
void for_each_group(const std::function<void(PipelineSize, StageTimes)>& check) {
  for_each_size_and_stages([&](PipelineSize size, StageTimes t) {
    for (const int more : {0, 1, 3}) {
      size.group = size.ranks + more;
      if (size.group <= std::max(size.ranks, size.micro_batches)) {
        SCOPED_TRACE(testing::Message() << "group " << size.group);
        check(size, t);
      }
    }
  });
}

TEST(InterleavedTest, TakesLargerGroups) {
  const Schedule schedule =
      interleaved({.ranks = 2, .micro_batches = 5, .stages_per_rank = 2, .group = 3});
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 0F2 2F0 2F1 2F2 2B0 0F3 2B1 0F4 2B2 2F3 0B0 2F4 0B1 0B2 2B3 2B4 0B3 0B4");
}

TEST(InterleavedTest, TakesGroupsOfAsManyAsThereAreRanksUnlessTold) {
  for_each_size_and_stages([](PipelineSize size, StageTimes) {
    const Schedule untold = interleaved(size);
    size.group = size.ranks;
    EXPECT_EQ(interleaved(size), untold);
  });
}

TEST(InterleavedTest, RefusesGroupsOfFewerMicroBatchesThanRanks) {
  EXPECT_THAT([] { interleaved({.ranks = 4, .micro_batches = 8, .group = 3}); },
              testing::ThrowsMessage<InvalidArgument>(testing::HasSubstr(
                  "groups of 3 micro-batches on 4 ranks; a group needs at least as many")));
}

TEST(InterleavedTest, FinishesWithAnyGroup) {
  for_each_group([](PipelineSize size, StageTimes t) {
    const Schedule schedule = interleaved(size);
    EXPECT_THAT(validate(schedule), testing::IsEmpty());
    EXPECT_NO_THROW(make_timetable(schedule, t));
  });
}

TEST(InterleavedTest, IsIdleForOneStageOfEveryOtherRank) {
  for_each_group([](PipelineSize size, StageTimes t) {
    if (size.micro_batches % size.group == 0) {
      expect_idle(make_timetable(interleaved(size), t),
                  (size.ranks - 1) * (t.forward + t.input_gradient + t.weight_gradient));
    }
  });
}

TEST(InterleavedTest, KeepsTheStagesOfItsWarmUpAndOne) {
  for_each_group([](PipelineSize size, StageTimes) {
    const auto [p, m, v, g] = size;
    const std::vector<int> peaks = peak_activations(interleaved(size));
    for (int r = 0; r < p && m % g == 0; ++r) {
      EXPECT_EQ(peaks[r], std::min(m * v, (v - 1) * g + 2 * (p - 1 - r) + 1)) << "rank " << r;
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
