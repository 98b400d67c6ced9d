// Schedules of one's own: in both dialects and with overlapped pairs the same bits as one rank.

#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/optimizer.h"
#include "plan/random_schedules.h"
#include "runtime/test_models.h"
#include "sanitized.h"

namespace lockflight {
namespace {

using schedule::Schedule;
using test::kMicroBatches;
using test::Streams;

// Pairs in the steady state of 1F1B; down and up again on two ranks.
constexpr const char* kPairs =
    "0F0,0F1,(0F2;0B0)OVERLAP_F_B,(0F3;0B1)OVERLAP_F_B,0B2,0B3\n"
    "1F0,(1F1;1B0)OVERLAP_F_B,(1F2;1B1)OVERLAP_F_B,(1F3;1B2)OVERLAP_F_B,1B3\n";
constexpr const char* kV =
    "0F0,0F1,3F0,(0F2;3B0)OVERLAP_F_B,(3F1;0B0)OVERLAP_F_B,(0F3;3B1)OVERLAP_F_B,3F2,0B1,3B2,3F3,"
    "0B2,3B3,0B3\n"
    "1F0,2F0,1F1,2F1,(1F2;2B0)OVERLAP_F_B,(2F2;1B0)OVERLAP_F_B,(1F3;2B1)OVERLAP_F_B,(2F3;1B1)"
    "OVERLAP_F_B,2B2,1B2,2B3,1B3\n";

std::vector<Schedule> in_both_dialects(const Schedule& schedule) {
  return {schedule, plan::with_transfers(schedule, plan::TransferCells::own)};
}

std::uint64_t weights_of(const Streams& streams, const Schedule& schedule) {
  World world = test::make_world(schedule.ranks(), streams);
  nn::Model model = test::tiny_gpt2(true);
  const Plan plan = make_plan(model, world, {.micro_batch = {.rows = 2}, .own_schedule = schedule});
  Pipeline pipeline(world, std::move(model), plan, {.seed = 3});
  train::AdamW optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1.0F});
  for (std::uint32_t step = 0; step < 2; ++step) {
    pipeline.forward_backward(test::token_batch(2L * schedule.micro_batches, step));
    for (int rank = 0; rank < schedule.ranks(); ++rank) {
      EXPECT_EQ(pipeline.step_memory(rank).peak_bytes, plan.memory[rank].step_peak_bytes);
      EXPECT_GE(plan.memory[rank].step_bytes, plan.memory[rank].step_peak_bytes);
    }
    optimizer.step();
  }
  return pipeline.weights_hash();
}

class OwnScheduleTest : public test::StreamsTest {
 protected:
  void SetUp() override {
    StreamsTest::SetUp();
    if (!IsSkipped()) {
      expected_ = weights_of(test::plainest(GetParam()),
                             schedule::make_schedule("gpipe", {.micro_batches = kMicroBatches}));
    }
  }

  void expect_the_bits_of_one_rank(const Schedule& schedule) {
    for (const Schedule& dialect : in_both_dialects(schedule)) {
      EXPECT_EQ(weights_of(GetParam(), dialect), expected_) << write_csv(dialect);
    }
  }

  std::uint64_t expected_ = 0;
};
INSTANTIATE_TEST_SUITE_P(On, OwnScheduleTest, ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(OwnScheduleTest, FilesOfGeneratorsTrainToTheBitsOfOneRank) {
  for (const schedule::ScheduleInfo& info : test::some_schedules()) {
    const Schedule schedule =
        info.make({.ranks = 2,
                   .micro_batches = kMicroBatches,
                   .stages_per_rank = info.several_stages ? 2 : info.usual_stages_per_rank()});
    if (schedule::has_backward(schedule) && info.copies == 1) {
      expect_the_bits_of_one_rank(schedule);
    }
  }
}

TEST_P(OwnScheduleTest, OverlappedPairsTrainToTheBitsOfOneRank) {
  expect_the_bits_of_one_rank(
      schedule::read_csv("0F0,(0F1;0B0)OVERLAP_F_B,(0F2;0B1)OVERLAP_F_B,0F3,0B2,0B3\n"));
  for (const char* csv : {kPairs, kV}) {
    expect_the_bits_of_one_rank(schedule::read_csv(csv));
  }
}

TEST_P(OwnScheduleTest, RandomPairsTrainToTheBitsOfOneRank) {
  int ran = 0;
  for (std::uint32_t seed = 0; ran < (test::kSanitized ? 2 : 6); ++seed) {
    std::mt19937 random(seed);
    const auto schedule = plan::overlapped(
        plan::random_schedule(schedule::Placement({0, 1, 1, 0}), kMicroBatches, false, random),
        random);
    try {
      plan::lower(schedule, {});
    } catch (const PlanError&) {
      continue;  // pairs that wait for each other
    }
    SCOPED_TRACE(::testing::Message() << "seed " << seed);
    expect_the_bits_of_one_rank(schedule);
    ++ran;
  }
}

TEST(OwnSchedulePlanTest, IsForAsManyRanks) {
  nn::Model model = test::tiny_gpt2();
  EXPECT_THROW(make_plan(model, 3, {.own_schedule = schedule::read_csv(kPairs)}), InvalidArgument);
  const Plan plan =
      make_plan(model, 2, {.micro_batches = 9, .own_schedule = schedule::read_csv(kV)});
  EXPECT_EQ(plan.batch().micro_batches, kMicroBatches);
  EXPECT_EQ(plan.stages.size(), 4U);
}

}  // namespace
}  // namespace lockflight
