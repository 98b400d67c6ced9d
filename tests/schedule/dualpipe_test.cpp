#include "lockflight/schedule/dualpipe.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "schedule/closed_forms.h"
#include "schedule/error_of.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

using testing::Contains;
using testing::Each;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::ThrowsMessage;

// Every even p ≤ 8 and even m ≤ 24 from 2p on.
void for_each_dualpipe(const std::function<void(PipelineSize, const Schedule&)>& check) {
  int checked = 0;
  for_each_size_at_unit_times([&](PipelineSize size) {
    if (size.ranks % 2 == 0 && size.micro_batches % 2 == 0 &&
        size.micro_batches >= 2 * size.ranks) {
      check(size, dualpipe(size));
      ++checked;
    }
  });
  EXPECT_GE(checked, 5);
}

TEST(DualPipeTest, RunsEightPhases) {
  const std::string phases_of_rank_0 =
      "0F0,0F1,"                                                             // 1
      "0F2,7F5,"                                                             // 2
      "7I5,7W5,7F6,"                                                         // 3
      "(0F3;7B6)OVERLAP_F_B,(7F7;0B0)OVERLAP_F_B,"                           // 4
      "(0F4;7B7)OVERLAP_F_B,(7F8;0B1)OVERLAP_F_B,7B8,(7F9;0B2)OVERLAP_F_B,"  // 4, 5
      "7B9,0I3,"                                                             // 6
      "0W3,0I4,"                                                             // 7
      "0W4\n";                                                               // 8
  const std::string phases_of_rank_1 =
      "1F0,6F5,1F1,6F6,"               // 2
      "1F2,6B5,(6F7;1B0)OVERLAP_F_B,"  // 4
      "(1F3;6B6)OVERLAP_F_B,(6F8;1B1)OVERLAP_F_B,(1F4;6B7)OVERLAP_F_B,(6F9;1B2)OVERLAP_F_B,"
      "6B8,1B3,6I9,1I4,"  // 6
      "6W9,1W4\n";        // 8
  const std::string csv = write_csv(dualpipe({.ranks = 4, .micro_batches = 10}));
  EXPECT_TRUE(csv.starts_with(phases_of_rank_0 + phases_of_rank_1)) << csv;
}

// Stage 2p − 1 − s for s, and the other half of the micro-batches.
TEST(DualPipeTest, IsItsOwnMirrorImage) {
  for_each_dualpipe([](PipelineSize size, const Schedule& schedule) {
    Schedule mirrored = schedule;
    std::ranges::reverse(mirrored.rows);
    for (std::vector<Cell>& row : mirrored.rows) {
      for (Cell& cell : row) {
        for (Action& action : cell) {
          action.stage = (action.stage + size.ranks) % (2 * size.ranks);
          action.micro_batch = (action.micro_batch + size.micro_batches / 2) % size.micro_batches;
        }
      }
    }
    EXPECT_EQ(mirrored, schedule);
  });
}

TEST(DualPipeTest, IsValidAndReadBackFromItsFileWithItsTwoCopies) {
  for_each_dualpipe([](PipelineSize size, const Schedule& schedule) {
    EXPECT_THAT(validate(schedule), IsEmpty());
    EXPECT_EQ(schedule.placement, Placement::two_way(size.ranks));
    EXPECT_EQ(read_csv(write_csv(schedule), "dualpipe"), schedule);
  });
}

// (p/2 − 1)(FB + B − 3W) with FB = 3, B = 2, W = 1: a pair takes as long as its two parts.
TEST(DualPipeTest, IsIdleAsItsFormulaSaysIfAllTakeTheSameTime) {
  for_each_dualpipe([](PipelineSize size, const Schedule& schedule) {
    expect_idle(make_timetable(schedule), 2 * (size.ranks / 2 - 1));
  });
}

TEST(DualPipeTest, KeepsOneMicroBatchMoreThanThereAreRanksOnEach) {
  for_each_dualpipe([](PipelineSize size, const Schedule& schedule) {
    EXPECT_THAT(peak_activations(schedule), Each(size.ranks + 1));
  });
}

std::string dualpipe_error(PipelineSize size) {
  return error_of<InvalidArgument>([&] { dualpipe(size); });
}

TEST(DualPipeTest, RefusesOtherSizesWithTheRuleAndTheNearestThatItHas) {
  EXPECT_EQ(dualpipe_error({.ranks = 5, .micro_batches = 12}),
            "schedule dualpipe: 5 ranks; it needs an even number, such as 4 or 6");
  EXPECT_EQ(dualpipe_error({.ranks = 1, .micro_batches = 12}),
            "schedule dualpipe: 1 rank; it needs an even number, at least 2");
  EXPECT_EQ(dualpipe_error({.ranks = 4, .micro_batches = 11}),
            "schedule dualpipe: 11 micro-batches on 4 ranks; it needs an even m >= 2p = 8, such as "
            "10 or 12");
  EXPECT_THAT(dualpipe_error({.ranks = 4, .micro_batches = 7}), EndsWith("m >= 2p = 8, such as 8"));
  EXPECT_THAT(dualpipe_error({.ranks = 4, .micro_batches = 6}),
              EndsWith("m >= 2p = 8, such as 8, or at most 2 ranks"));
  EXPECT_THAT(dualpipe_error({.ranks = 4, .micro_batches = 2}), EndsWith("m >= 2p = 8, such as 8"));
  EXPECT_THAT(dualpipe_error({.ranks = 4, .micro_batches = 8, .stages_per_rank = 3}),
              HasSubstr("3 stages per rank; it has 2, one of each copy of the model"));
  EXPECT_EQ(dualpipe_error({.ranks = 4, .micro_batches = 8, .stages_per_rank = 2}), "no error");
}

TEST(DualPipeTest, AMicroBatchOfTheOtherCopyIsFound) {
  Schedule schedule = dualpipe({.ranks = 2, .micro_batches = 4});
  ASSERT_EQ(schedule.rows[0][1], Cell{parse_action("3F2")});
  schedule.rows[0][1] = {parse_action("3F1")};
  EXPECT_THAT(validate(schedule), Contains("rank 0: 3F1 is of no micro-batch among 2 to 3"));
  EXPECT_THAT(validate(schedule), Contains("stage 3, micro-batch 2: the forward is missing"));
  schedule.micro_batches = 5;
  EXPECT_THAT(validate(schedule),
              testing::ElementsAre("the schedule has 5 micro-batches, which its 2 copies of the "
                                   "model cannot share evenly"));
}

// A copy's first stage waits for nothing, and its last one for no gradient.
TEST(DualPipeTest, CopiesDoNotWaitForEachOther) {
  const Schedule apart =
      from_lines(Placement::two_way(2), 2, {"0F0 3F1 3B1 0B0", "2F1 1F0 1B0 2B1"});
  EXPECT_THAT(validate(apart), IsEmpty());
  const Timetable timetable = make_timetable(apart);
  EXPECT_EQ(timetable.rows[1][0].begin, 0);  // 2F1
  EXPECT_EQ(timetable.makespan(), 6);
  Schedule chain = apart;
  chain.placement = Placement::v(2);
  EXPECT_FALSE(validate(chain).empty());
}

// Only what lies as two-way placement has it, and has the halves, is read so.
TEST(DualPipeTest, OtherFilesAreOneChain) {
  EXPECT_EQ(read_csv("0F0,0F1\n1F0,1F1\n").placement.copies(), 1);
  EXPECT_EQ(read_csv("0F0,3F1\n1F0,2F1\n").placement, Placement::two_way(2));
  EXPECT_EQ(read_csv("0F0,0F1,3F0,3F1\n1F0,1F1,2F0,2F1\n").placement, Placement::v(2));
  EXPECT_EQ(read_csv("0F0,3F1,3F0,0F1\n1F0,2F1\n").placement, Placement::v(2));
  EXPECT_THAT([] { read_csv("0F0,2F1\n1F0,3F1\n"); },
              ThrowsMessage<DataError>(HasSubstr("need 8 forwards")));
  EXPECT_THAT([] { read_csv("0F0,1F1\n"); },
              ThrowsMessage<DataError>(HasSubstr("need 4 forwards")));
}

}  // namespace
}  // namespace lockflight::schedule
