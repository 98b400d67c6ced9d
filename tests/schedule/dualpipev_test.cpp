#include "lockflight/schedule/dualpipev.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "schedule/closed_forms.h"

namespace lockflight::schedule {
namespace {

using testing::HasSubstr;
using testing::ThrowsMessage;

TEST(DualPipeVTest, RunsEightPhases) {
  const auto schedule = dualpipev({.ranks = 2, .micro_batches = 5});
  EXPECT_EQ(schedule.placement, Placement::v(2));
  const std::string phases_of_rank_0 =
      "0F0,0F1,"                                                             // 1
      "0F2,3F0,"                                                             // 2
      "3I0,3W0,3F1,"                                                         // 3
      "(0F3;3B1)OVERLAP_F_B,(3F2;0B0)OVERLAP_F_B,"                           // 4
      "(0F4;3B2)OVERLAP_F_B,(3F3;0B1)OVERLAP_F_B,3B3,(3F4;0B2)OVERLAP_F_B,"  // 4, 5
      "3B4,0I3,"                                                             // 6
      "0W3,0I4,"                                                             // 7
      "0W4\n";                                                               // 8
  const std::string phases_of_rank_1 =
      "1F0,2F0,1F1,2F1,"               // 2
      "1F2,2B0,(2F2;1B0)OVERLAP_F_B,"  // 4
      "(1F3;2B1)OVERLAP_F_B,(2F3;1B1)OVERLAP_F_B,(1F4;2B2)OVERLAP_F_B,(2F4;1B2)OVERLAP_F_B,"
      "2B3,1B3,2I4,1I4,"  // 6
      "2W4,1W4\n";        // 8
  EXPECT_EQ(write_csv(schedule), phases_of_rank_0 + phases_of_rank_1);
}

// A pair takes as long as its two parts: (p − 1)(FB + B − 3W) of a stage with FB = 3, B = 2, W = 1.
TEST(DualPipeVTest, IsIdleAsItsFormulaSaysIfAllTakeTheSameTime) {
  for_each_size_at_unit_times([](PipelineSize size) {
    if (size.micro_batches >= 2 * size.ranks) {
      expect_idle(make_timetable(dualpipev(size)), 2 * (size.ranks - 1));
    }
  });
}

TEST(DualPipeVTest, KeepsOneStageOfOneMicroBatchMoreThanTwoPerRank) {
  for_each_size_at_unit_times([](PipelineSize size) {
    if (size.micro_batches >= 2 * size.ranks) {
      EXPECT_EQ(std::ranges::max(peak_activations(dualpipev(size))), 2 * size.ranks + 1);
    }
  });
}

TEST(DualPipeVTest, RefusesFewMicroBatchesAndSaysWhatItTakes) {
  EXPECT_THAT([] { dualpipev({.ranks = 4, .micro_batches = 7}); },
              ThrowsMessage<InvalidArgument>(HasSubstr(
                  "7 micro-batches on 4 ranks; it needs m >= 2p = 8, or at most 3 ranks")));
  EXPECT_THAT([] { dualpipev({.ranks = 2, .micro_batches = 1}); },
              ThrowsMessage<InvalidArgument>(testing::EndsWith("it needs m >= 2p = 4")));
  EXPECT_NO_THROW(dualpipev({.ranks = 3, .micro_batches = 7}));
}

}  // namespace
}  // namespace lockflight::schedule
