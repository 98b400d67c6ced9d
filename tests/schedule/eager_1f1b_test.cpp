#include "lockflight/schedule/eager_1f1b.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(Eager1F1BTest, AlternatesAfterTwiceTheWarmUpOf1F1BAndOne) {
  const Schedule schedule = eager_1f1b({.ranks = 3, .micro_batches = 6});
  EXPECT_EQ(line(schedule, 0), "0F0 0F1 0F2 0F3 0F4 0B0 0F5 0B1 0B2 0B3 0B4 0B5");
  EXPECT_EQ(line(schedule, 1), "1F0 1F1 1F2 1B0 1F3 1B1 1F4 1B2 1F5 1B3 1B4 1B5");
  EXPECT_EQ(line(schedule, 2), "2F0 2B0 2F1 2B1 2F2 2B2 2F3 2B3 2F4 2B4 2F5 2B5");
}

TEST(Eager1F1BTest, IsIdleAsLongAs1F1B) {
  for_each_size([](PipelineSize size, StageTimes t) {
    expect_idle(make_timetable(eager_1f1b(size), t),
                (size.ranks - 1) * (t.forward + t.input_gradient + t.weight_gradient));
  });
}

TEST(Eager1F1BTest, KeepsItsWarmUp) {
  for_each_size([](PipelineSize size, StageTimes) {
    const std::vector<int> peaks = peak_activations(eager_1f1b(size));
    for (int rank = 0; rank < size.ranks; ++rank) {
      EXPECT_EQ(peaks[rank], std::min(size.micro_batches, 2 * (size.ranks - 1 - rank) + 1));
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
