// Recomputed layers in a pipeline: the same bits in less memory, to the byte as planned.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int kMicroBatches = 5;
constexpr std::int64_t kRows = 2;

PlanOptions options_of(const std::string& schedule, Recomputation recompute,
                       std::size_t limit_bytes = 0) {
  return {.micro_batch = {.rows = kRows},
          .micro_batches = kMicroBatches,
          .schedule = schedule,
          .stages_per_rank = schedule == "interleaved" ? 2 : 0,
          .memory_limit_bytes = limit_bytes,
          .recompute = recompute};
}

struct Outcome {
  std::vector<float> losses;
  float evaluation = 0;
  std::uint64_t weights = 0;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

// Three steps; checks the planned bytes against the measured ones.
Outcome run(const Plan& plan, int ranks, const test::Streams& streams = {}) {
  World world = test::make_world(ranks, streams);
  Pipeline pipeline(world, test::tiny_gpt2(true), plan);
  train::AdamW optimizer(pipeline.parameters());
  Outcome outcome;
  for (std::uint32_t step = 0; step < 3; ++step) {
    outcome.losses.push_back(
        pipeline.forward_backward(test::token_batch(kRows * kMicroBatches, step)).loss);
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_EQ(pipeline.step_memory(rank).peak_bytes, plan.memory[rank].step_peak_bytes);
    }
    optimizer.step();
  }
  for (int rank = 0; rank < ranks; ++rank) {
    EXPECT_EQ(world.device(rank).memory().peak_bytes, plan.memory[rank].arena_bytes());
  }
  outcome.evaluation = pipeline.evaluate(test::token_batch(kRows * kMicroBatches, 9));
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

Plan plan_of(int ranks, const PlanOptions& options) {
  nn::Model model = test::tiny_gpt2(true);
  return make_plan(model, ranks, options);
}

TEST(RecomputeInAPipelineTest, ChangesNoBitAndTakesTheBytesOfItsPlan) {
  const Outcome expected = run(plan_of(1, options_of("gpipe", Recomputation::never)), 1);
  for (const std::string schedule : {"gpipe", "1f1b", "interleaved", "zb-1p", "zb-v"}) {
    for (const int ranks : {1, 2, 3}) {
      SCOPED_TRACE(schedule + " on " + std::to_string(ranks) + " ranks");
      const Plan never = plan_of(ranks, options_of(schedule, Recomputation::never));
      const Plan always = plan_of(ranks, options_of(schedule, Recomputation::always));
      std::size_t most = 0;
      for (int rank = 0; rank < ranks; ++rank) {
        most = std::max(most, never.memory[rank].arena_bytes());
      }
      const Plan some = plan_of(ranks, options_of(schedule, Recomputation::when_needed, most - 1));
      for (const Plan* plan : {&always, &some}) {
        EXPECT_EQ(run(*plan, ranks), expected);
      }
    }
  }
}

TEST(RecomputeInAPipelineTest, ChangesNoBitUnderRandomDelays) {
  const Plan plan = plan_of(3, options_of("1f1b", Recomputation::always));
  const Outcome expected = run(plan_of(3, options_of("1f1b", Recomputation::never)), 3);
  for (const test::Streams& streams : test::all_streams()) {
    EXPECT_EQ(run(plan, 3, streams), expected) << streams.name;
  }
}

TEST(RecomputeInAPipelineTest, TakesASavedPlan) {
  const Plan plan = plan_of(2, options_of("1f1b", Recomputation::always));
  EXPECT_EQ(run(plan_from_json(plan_to_json(plan)), 2), run(plan, 2));
}

TEST(RecomputeInAPipelineTest, RefusesAPlanThatRecomputesAnotherLayer) {
  Plan plan = plan_of(2, options_of("1f1b", Recomputation::always));
  plan.stages[0].recomputed = {plan.stages[1].first_name};
  World world = test::make_world(2, {});
  EXPECT_THAT([&] { Pipeline(world, test::tiny_gpt2(true), plan); },
              ThrowsMessage<PlanError>(HasSubstr("recomputes " + plan.stages[1].first_name +
                                                 " in stage 0, but the model has")));
}

}  // namespace
}  // namespace lockflight
