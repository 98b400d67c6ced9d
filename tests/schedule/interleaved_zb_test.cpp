#include "lockflight/schedule/interleaved_zb.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/schedule/zb_1p.h"
#include "schedule/closed_forms.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

TEST(InterleavedZbTest, DelaysTheWeightGradientsOfInterleavedBackwards) {
  const Schedule schedule = interleaved_zb({.ranks = 2, .micro_batches = 4, .stages_per_rank = 2});
  EXPECT_EQ(line(schedule, 0),
            "0F0 0F1 2F0 2F1 2I0 2W0 0F2 2I1 2W1 0F3 0I0 0W0 2F2 0I1 0W1 2F3 2I2 2W2 2I3 2W3 "
            "0I2 0W2 0I3 0W3");
  EXPECT_EQ(line(schedule, 1),
            "1F0 1F1 3F0 3I0 3F1 3I1 3W0 1F2 1I0 3W1 1F3 1I1 1W0 3F2 3I2 1W1 3F3 3I3 3W2 1I2 "
            "3W3 1I3 1W2 1W3");
}

TEST(InterleavedZbTest, IsZb1pWithOneStageARank) {
  for_each_size([](PipelineSize size, StageTimes) {
    EXPECT_EQ(interleaved_zb(size).rows, zb_1p(size).rows);
  });
}

TEST(InterleavedZbTest, IsIdleForTheLongestOfThreeWaysThroughOneStageOfTheRanks) {
  for_each_size_and_stages([](PipelineSize size, StageTimes t) {
    if (size.micro_batches % size.ranks == 0) {
      expect_idle(make_timetable(interleaved_zb(size), t),
                  (size.ranks - 1) * std::max({t.forward, t.input_gradient,
                                               t.forward + t.input_gradient - t.weight_gradient}));
    }
  });
}

TEST(InterleavedZbTest, KeepsAsManyMicroBatchesAsThereAreRanks) {
  for_each_size_and_stages([](PipelineSize size, StageTimes) {
    if (size.micro_batches % size.ranks == 0) {
      EXPECT_EQ(peak_activations(interleaved_zb(size)),
                std::vector<int>(size.ranks, size.ranks * size.stages_per_rank));
    }
  });
}

}  // namespace
}  // namespace lockflight::schedule
