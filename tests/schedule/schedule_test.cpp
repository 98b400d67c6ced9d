#include "lockflight/schedule/schedule.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/schedule/one_f_one_b.h"
#include "schedule/schedules.h"

namespace lockflight::schedule {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

Schedule two_ranks(const std::string& rank0, const std::string& rank1) {
  return from_lines(Placement::loop({.ranks = 2}), 2, {rank0, rank1});
}

TEST(ScheduleTest, ListsTheActionsOfARankWithoutIdleSlots) {
  Schedule schedule = two_ranks("0F0 0F1", "1F0 1F1");
  schedule.rows[1].insert(schedule.rows[1].begin(), Cell{});
  EXPECT_THAT(line(schedule, 1), "1F0 1F1");
}

TEST(ScheduleTest, IsLoweredAsSoonAsItNamesATransfer) {
  EXPECT_FALSE(is_lowered(two_ranks("0F0 0B0", "1F0 1I0 1W0")));
  EXPECT_TRUE(is_lowered(two_ranks("0F0 0SEND_F0", "1RECV_F0 1F0")));
}

TEST(ScheduleTest, TrainsAsSoonAsItNamesAGradient) {
  EXPECT_FALSE(has_backward(two_ranks("0F0 0SEND_F0", "1RECV_F0 1F0")));
  EXPECT_TRUE(has_backward(two_ranks("0F0", "1F0 1I0")));
}

TEST(ScheduleTest, KeepsActivationsFromTheForwardToTheWeightGradient) {
  EXPECT_THAT(peak_activations(two_ranks("0F0 0F1 0B0 0B1", "1F0 1B0 1F1 1B1")), ElementsAre(2, 1));
  EXPECT_THAT(peak_activations(two_ranks("0F0 0F1 0B0 0B1", "1F0 1I0 1F1 1W0 1I1 1W1")),
              ElementsAre(2, 2));
  EXPECT_THAT(peak_activations(two_ranks("0F0 0F1", "1F0 1F1")), ElementsAre(0, 0));
}

TEST(ValidateTest, FindsNothingWrongWithValidSchedules) {
  EXPECT_THAT(validate(two_ranks("0F0 0F1 0B0 0B1", "1F0 1B0 1F1 1B1")), IsEmpty());
  EXPECT_THAT(validate(two_ranks("0F1 0F0 0B0 0B1", "1F0 1F1 1I1 1I0 1W0 1W1")), IsEmpty());
  EXPECT_THAT(validate(two_ranks("0F0 0F1", "1F1 1F0")), IsEmpty());
}

TEST(ValidateTest, AllowsAForwardAndABackwardOfDifferentMicroBatchesToOverlap) {
  Schedule schedule = two_ranks("0F0 0F1 0B0 0B1", "1F0 1B1");
  schedule.rows[1].insert(schedule.rows[1].begin() + 1,
                          Cell{parse_action("1F1"), parse_action("1B0")});
  EXPECT_THAT(validate(schedule), IsEmpty());
  schedule.rows[1] = {
      {parse_action("1F0"), parse_action("1B0")}, {parse_action("1F1")}, {parse_action("1B1")}};
  EXPECT_THAT(validate(schedule), ElementsAre(HasSubstr("stage 1, micro-batch 0: a backward does "
                                                        "not come after the forward")));
}

struct Wrong {
  std::string rank0;
  std::string rank1;
  std::string finding;
};

TEST(ValidateTest, SaysWhatIsWrongInASentence) {
  const std::string good0 = "0F0 0F1 0B0 0B1";
  const std::string good1 = "1F0 1B0 1F1 1B1";
  const std::vector<Wrong> cases = {
      {good0, "1F0 1B0 1B1", "stage 1, micro-batch 1: the forward is missing"},
      {good0, "1F0 1B0 1F1", "stage 1, micro-batch 1: the backward is missing"},
      {good0, "1F0 1B0 1F1 1I1", "stage 1, micro-batch 1: the backward is missing"},
      {good0, good1 + " 1W1", "stage 1, micro-batch 1: B runs beside I or W"},
      {good0, good1 + " 1B1", "rank 1: 1B1 runs more than once"},
      {good0 + " 1F0", good1, "rank 0: 1F0 belongs on rank 1"},
      {good0 + " 2F0", good1, "rank 0: 2F0 is of no stage among 0 to 1"},
      {good0 + " 0F2", good1, "rank 0: 0F2 is of no micro-batch among 0 to 1"},
      {good0, "1B0 1F0 1F1 1B1", "a backward does not come after the forward"},
      {good0, "1F0 1W0 1I0 1F1 1B1", "stage 1, micro-batch 0: W does not come after I"},
      {"0F0 0F1 0B1 0B0", good1, "rank 0: 0B0 comes after 0B1"},
      {good0, "1F0 1I0 1F1 1B1 1W0", "rank 1: 1W0 comes after 1B1"},
      {good0, good1 + " 1SEND_B0 1SEND_B0", "rank 1: 1SEND_B0 runs more than once"},
  };
  for (const Wrong& wrong : cases) {
    EXPECT_THAT(validate(two_ranks(wrong.rank0, wrong.rank1)), Contains(HasSubstr(wrong.finding)));
  }
}

TEST(ValidateTest, ReturnsAllFindings) {
  EXPECT_THAT(validate(two_ranks("0F0 0B0", "1F0 1B0 1F1 1B1 1B1")),
              ElementsAre(HasSubstr("1B1 runs more than once"),
                          HasSubstr("stage 0, micro-batch 1: the forward"),
                          HasSubstr("stage 0, micro-batch 1: the backward")));
}

TEST(ValidateTest, SeesRowsAndMicroBatchesThatDoNotFit) {
  EXPECT_THAT(
      validate({.name = "short", .micro_batches = 1, .placement = Placement::v(2), .rows = {}}),
      ElementsAre(HasSubstr("0 rows but its placement 2 ranks")));
  EXPECT_THAT(validate(from_lines(Placement::loop({.ranks = 1}), 0, {"0UNSHARD"})),
              ElementsAre(HasSubstr("0 micro-batches, expected at least 1")));
}

TEST(ValidateTest, MissesNoActionThatIsLeftOutOrDoubled) {
  const Schedule schedule = one_f_one_b({.ranks = 3, .micro_batches = 4});
  for (int rank = 0; rank < 3; ++rank) {
    for (std::size_t i = 0; i < schedule.rows[rank].size(); ++i) {
      Schedule shorter = schedule;
      shorter.rows[rank].erase(shorter.rows[rank].begin() + static_cast<std::ptrdiff_t>(i));
      EXPECT_EQ(validate(shorter).size(), 1U) << line(shorter, rank);
      Schedule longer = schedule;
      longer.rows[rank].push_back(longer.rows[rank][i]);
      EXPECT_EQ(validate(longer).size(), 1U) << line(longer, rank);
    }
  }
}

}  // namespace
}  // namespace lockflight::schedule
