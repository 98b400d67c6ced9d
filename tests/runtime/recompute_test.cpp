// Recomputed layers in a pipeline: the same bits in less memory, to the byte as planned.

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatchRows;
using test::kOddMicroBatches;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

PlanOptions options_of(const std::string& schedule, Recomputation recompute,
                       std::size_t limit_bytes = 0) {
  return {.micro_batch = {.rows = kMicroBatchRows},
          .micro_batches = kOddMicroBatches,
          .schedule = schedule,
          .stages_per_rank = schedule == "interleaved" ? 2 : 0,
          .memory_limit_bytes = limit_bytes,
          .recompute = recompute};
}

struct RecomputeOutcome {
  std::vector<float> losses;
  float evaluation = 0;
  std::uint64_t weights = 0;

  friend bool operator==(const RecomputeOutcome&, const RecomputeOutcome&) = default;
};

// Three steps; checks the planned bytes against the measured ones.
RecomputeOutcome run(const Plan& plan, int ranks, const test::Streams& streams = {}) {
  World world = test::make_world(ranks, streams);
  Pipeline pipeline(world, test::tiny_gpt2(true), plan);
  train::AdamW optimizer(pipeline.parameters());
  RecomputeOutcome outcome;
  for (std::uint32_t step = 0; step < 3; ++step) {
    outcome.losses.push_back(
        pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, step))
            .loss);
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_EQ(pipeline.step_memory(rank).peak_bytes, plan.memory[rank].step_peak_bytes);
    }
    optimizer.step();
  }
  for (int rank = 0; rank < ranks; ++rank) {
    EXPECT_EQ(world.device(rank).memory().peak_bytes, plan.memory[rank].arena_bytes());
  }
  outcome.evaluation = pipeline.evaluate(test::token_batch(kMicroBatchRows * kOddMicroBatches, 9));
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

Plan tied_plan(int ranks, const PlanOptions& options) {
  nn::Model model = test::tiny_gpt2(true);
  return make_plan(model, ranks, options);
}

// For the devices of these streams.
Plan plan_on(const test::Streams& streams, int ranks, const PlanOptions& options) {
  nn::Model model = test::tiny_gpt2(true);
  return make_plan(model, test::make_world(ranks, streams), options);
}

TEST(RecomputeInAPipelineTest, ChangesNoBitAndTakesTheBytesOfItsPlan) {
  const RecomputeOutcome expected = run(tied_plan(1, options_of("gpipe", Recomputation::never)), 1);
  for (const std::string schedule : {"gpipe", "1f1b", "interleaved", "zb-1p", "zb-v"}) {
    for (const int ranks : {1, 2, 3}) {
      SCOPED_TRACE(schedule + " on " + std::to_string(ranks) + " ranks");
      const Plan never = tied_plan(ranks, options_of(schedule, Recomputation::never));
      const Plan always = tied_plan(ranks, options_of(schedule, Recomputation::always));
      std::size_t most = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        most = std::max(most, never.memory[rank].arena_bytes());
      }
      const Plan some =
          tied_plan(ranks, options_of(schedule, Recomputation::when_needed, most - 1));
      for (const Plan* plan : {&always, &some}) {
        EXPECT_EQ(run(*plan, ranks), expected);
      }
    }
  }
}

// Every R of a program.
std::map<std::string, int> recomputes_of(const plan::Program& program) {
  std::map<std::string, int> found;
  for (const plan::RankProgram& rank : program.ranks) {
    for (const plan::Instruction& instruction : rank.instructions) {
      if (instruction.opcode == plan::Opcode::compute &&
          instruction.action.kind == schedule::ActionKind::recompute) {
        ++found[schedule::to_string(instruction.action)];
      }
    }
  }
  return found;
}

class RecomputeOnStreamsTest : public test::StreamsTest {};
INSTANTIATE_TEST_SUITE_P(On, RecomputeOnStreamsTest,
                         testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(RecomputeOnStreamsTest, AheadOfBackwardsItGivesTheBitsOfOneRankThatRecomputesNothing) {
  const test::Streams plainest = test::plainest(GetParam());
  const RecomputeOutcome expected =
      run(plan_on(plainest, 1, options_of("gpipe", Recomputation::never)), 1, plainest);
  std::vector<std::pair<std::string, int>> pipelines = {{"1f1b", 2}, {"zb-v", 2}};
  if (GetParam().device == DeviceKind::cpu) {  // virtual GPUs are slow
    pipelines.insert(pipelines.end(), {{"1f1b", 3}, {"interleaved", 2}, {"zb-1p", 3}, {"zb-v", 3}});
  }
  for (const auto& [schedule, ranks] : pipelines) {
    SCOPED_TRACE(schedule + " on " + std::to_string(ranks) + " ranks");
    const Plan plan = plan_on(GetParam(), ranks, options_of(schedule, Recomputation::always));
    EXPECT_FALSE(recomputes_of(plan.program).empty());
    EXPECT_EQ(run(plan, ranks, GetParam()), expected);
  }
}

TEST(RecomputeInAPipelineTest, MeasuresEveryRecomputationOnceInFrontOfItsBackward) {
  const Plan plan = tied_plan(3, options_of("1f1b", Recomputation::always));
  World world = test::make_world(3, {});
  Pipeline pipeline(world, test::tiny_gpt2(true), plan, {.timeline = true});
  pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, 0));
  const Timeline& timeline = pipeline.timeline();
  std::map<std::string, int> measured;
  for (const TimelineSpan& span : timeline.spans) {
    if (span.action.kind != schedule::ActionKind::recompute) {
      continue;
    }
    ++measured[schedule::to_string(span.action)];
    const auto backward = std::ranges::find_if(timeline.spans, [&](const TimelineSpan& other) {
      return other.action == schedule::Action{span.action.stage, schedule::ActionKind::backward,
                                              span.action.micro_batch};
    });
    ASSERT_NE(backward, timeline.spans.end());
    EXPECT_LE(span.begin_ns, span.end_ns);
    EXPECT_LE(span.end_ns, backward->begin_ns);
  }
  EXPECT_EQ(measured, recomputes_of(plan.program));
  EXPECT_FALSE(measured.empty());
}

TEST(RecomputeInAPipelineTest, NeedsALayerThatIsRecomputed) {
  Plan plan = tied_plan(2, options_of("1f1b", Recomputation::always));
  plan.stages[0].recomputed.clear();
  World world = test::make_world(2, {});
  EXPECT_THAT([&] { Pipeline(world, test::tiny_gpt2(true), plan); },
              ThrowsMessage<PlanError>(HasSubstr("none of them is recomputed")));
}

// In pairs the backward recomputes by itself.
TEST(RecomputeInAPipelineTest, KeepsTheBitsOfOwnSchedulesOfBothDialects) {
  const auto pairs = schedule::read_csv(
      "0F0,0F1,(0F2;0B0)OVERLAP_F_B,(0F3;0B1)OVERLAP_F_B,0F4,0B2,0B3,0B4\n"
      "1F0,(1F1;1B0)OVERLAP_F_B,(1F2;1B1)OVERLAP_F_B,(1F3;1B2)OVERLAP_F_B,1B3,1F4,1B4\n");
  const RecomputeOutcome expected = run(tied_plan(1, options_of("gpipe", Recomputation::never)), 1);
  for (const auto& own : {pairs, plan::with_transfers(pairs, plan::TransferCells::own)}) {
    PlanOptions options = options_of("1f1b", Recomputation::always);
    options.own_schedule = own;
    const Plan plan = tied_plan(2, options);
    EXPECT_EQ(recomputes_of(plan.program),
              (std::map<std::string, int>{{"0R2", 1}, {"0R3", 1}, {"0R4", 1}}));
    for (const test::Streams& streams : test::all_streams()) {
      EXPECT_EQ(run(plan, 2, streams), expected) << streams.name;
    }
  }
}

TEST(RecomputeInAPipelineTest, TakesASavedPlan) {
  const Plan plan = tied_plan(2, options_of("1f1b", Recomputation::always));
  EXPECT_EQ(run(plan_from_json(plan_to_json(plan)), 2), run(plan, 2));
}

TEST(RecomputeInAPipelineTest, RefusesAPlanThatRecomputesAnotherLayer) {
  Plan plan = tied_plan(2, options_of("1f1b", Recomputation::always));
  plan.stages[0].recomputed = {plan.stages[1].first_name};
  World world = test::make_world(2, {});
  EXPECT_THAT([&] { Pipeline(world, test::tiny_gpt2(true), plan); },
              ThrowsMessage<PlanError>(HasSubstr("recomputes " + plan.stages[1].first_name +
                                                 " in stage 0, but the model has")));
}

}  // namespace
}  // namespace lockflight
