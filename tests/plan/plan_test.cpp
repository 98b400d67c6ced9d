#include "lockflight/plan/plan.h"

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/recompute.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/registry.h"
#include "plan/small_gpt2.h"
#include "plan/split_layers.h"

namespace lockflight {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::ThrowsMessage;

std::vector<int> layers_of(const Plan& plan) {
  std::vector<int> layers;
  for (const StagePlan& stage : plan.stages) {
    layers.push_back(stage.layers);
  }
  return layers;
}

std::vector<std::string> recomputed_in(const Plan& plan) {
  std::vector<std::string> names;
  for (const StagePlan& stage : plan.stages) {
    names.insert(names.end(), stage.recomputed.begin(), stage.recomputed.end());
  }
  return names;
}

bool accepted(int ranks, const PlanOptions& options) {
  try {
    plan_of(ranks, options);
    return true;
  } catch (const PlanError&) {
    return false;
  }
}

// In seconds for one micro-batch.
double slowest_rank(const Plan& plan) {
  std::vector<double> seconds(plan.ranks());
  for (const StagePlan& stage : plan.stages) {
    seconds[stage.rank] += stage.seconds();
  }
  return std::ranges::max(seconds);
}

TEST(PlanTest, RecomputesAllLayersThatKeepMoreThanTheirInput) {
  const Plan never = plan_of(2, options_of("1f1b", Recomputation::never));
  const Plan always = plan_of(2, options_of("1f1b", Recomputation::always));
  EXPECT_TRUE(recomputed_in(never).empty());
  // The embedding and the head keep only their input as they are; the norm keeps two numbers a row.
  EXPECT_THAT(recomputed_in(always),
              ElementsAre("blocks.0.attention", "blocks.0.mlp", "blocks.1.attention",
                          "blocks.1.mlp", "blocks.2.attention", "blocks.2.mlp",
                          "blocks.3.attention", "blocks.3.mlp", "final_norm"));
  EXPECT_LT(most_bytes(always), most_bytes(never));
  EXPECT_GT(always.prediction.step_seconds, never.prediction.step_seconds);
}

TEST(PlanTest, RecomputingTakesTheForwardOnceMore) {
  PlanOptions options = options_of("1f1b", Recomputation::never);
  options.split = {4, 7};
  const Plan never = plan_of(2, options);
  options.recompute = Recomputation::always;
  const Plan always = plan_of(2, options);
  EXPECT_EQ(layers_of(always), options.split);
  const double first = always.stages[0].input_gradient_seconds;
  EXPECT_GT(first, never.stages[0].input_gradient_seconds);
  EXPECT_LT(first, never.stages[0].input_gradient_seconds + never.stages[0].forward_seconds);
  EXPECT_EQ(always.stages[0].forward_seconds, never.stages[0].forward_seconds);
}

// Every limit between what recomputing everything takes and what recomputing nothing takes is kept,
// and where another split is enough, nothing is recomputed.
TEST(PlanTest, RecomputesWhereTheLimitForcesIt) {
  for (const std::string schedule : {"gpipe", "1f1b", "interleaved", "zb-1p", "zb-v"}) {
    for (const int ranks : {1, 2, 3}) {
      const Plan never = plan_of(ranks, options_of(schedule, Recomputation::never));
      const Plan always = plan_of(ranks, options_of(schedule, Recomputation::always));
      const std::size_t most = most_bytes(never);
      const std::size_t least = most_bytes(always);
      for (int eighths = 0; eighths <= 8; ++eighths) {
        SCOPED_TRACE(schedule + " on " + std::to_string(ranks) + " ranks, " +
                     std::to_string(eighths) + " eighths");
        const std::size_t limit = least + (most - least) * eighths / 8;
        const Plan plan = plan_of(ranks, options_of(schedule, Recomputation::when_needed, limit));
        EXPECT_LE(most_bytes(plan), limit);
        EXPECT_LE(recomputed_in(plan).size(), recomputed_in(always).size());
        EXPECT_LE(slowest_rank(plan), slowest_rank(always) * (1 + 1e-12));
        EXPECT_EQ(recomputed_in(plan).empty(),
                  accepted(ranks, options_of(schedule, Recomputation::never, limit)));
      }
    }
  }
}

TEST(PlanTest, WhatIsRefusedWithoutRecomputingIsAcceptedWithIt) {
  const std::size_t limit = (most_bytes(plan_of(2, options_of("gpipe", Recomputation::never))) +
                             most_bytes(plan_of(2, options_of("gpipe", Recomputation::always)))) /
                            2;
  EXPECT_THAT([&] { plan_of(2, options_of("gpipe", Recomputation::never, limit)); },
              ThrowsMessage<PlanError>(HasSubstr("recomputation, or another schedule")));
  EXPECT_NO_THROW(plan_of(2, options_of("gpipe", Recomputation::when_needed, limit)));
  EXPECT_NO_THROW(plan_of(2, options_of("gpipe", Recomputation::always, limit)));
  for (const auto recompute : {Recomputation::when_needed, Recomputation::always}) {
    EXPECT_THAT(
        [&] { plan_of(2, options_of("gpipe", recompute, limit / 8)); },
        ThrowsMessage<PlanError>(AllOf(HasSubstr("needs "), Not(HasSubstr("recomputation")))));
  }
}

TEST(PlanTest, KeepsAGivenSplitAndChoosesWhatToRecomputeInIt) {
  PlanOptions options = options_of("gpipe", Recomputation::never);
  options.split = {3, 8};
  const std::size_t most = most_bytes(plan_of(2, options));
  options.recompute = Recomputation::when_needed;
  options.memory_limit_bytes = most - 1;
  const Plan plan = plan_of(2, options);
  EXPECT_EQ(layers_of(plan), options.split);
  EXPECT_THAT(recomputed_in(plan), testing::SizeIs(1));
}

// What a plan has chosen for itself, given to another one, gives the same plan.
TEST(PlanTest, AListOfLayersIsWhatIsRecomputed) {
  for (const std::string schedule : {"gpipe", "interleaved", "zb-v"}) {
    const Plan never = plan_of(2, options_of(schedule, Recomputation::never));
    const Plan always = plan_of(2, options_of(schedule, Recomputation::always));
    const std::size_t limit = (most_bytes(never) + 7 * most_bytes(always)) / 8;
    const Plan chosen = plan_of(2, options_of(schedule, Recomputation::when_needed, limit));
    PlanOptions options = options_of(schedule, Recomputation::never, limit);
    options.split = layers_of(chosen);
    options.recomputed.emplace();
    const nn::Model model = small_gpt2();
    for (int layer = 0; layer < 11; ++layer) {
      if (std::ranges::count(recomputed_in(chosen), model.layers()[layer].name) > 0) {
        options.recomputed->push_back(layer);
      }
    }
    EXPECT_FALSE(options.recomputed->empty());
    EXPECT_EQ(plan_to_json(plan_of(2, options)), plan_to_json(chosen)) << schedule;
    options.recompute = Recomputation::always;
    EXPECT_EQ(plan_to_json(plan_of(2, options)), plan_to_json(chosen)) << schedule;
  }
}

// Transfers keep nothing and free nothing.
TEST(PlanTest, BothDialectsHaveAsManyMicroBatchesInFlight) {
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    const auto schedule = info.make({.ranks = 4, .micro_batches = 8});
    EXPECT_EQ(
        plan::micro_batches_in_flight(plan::with_transfers(schedule, plan::TransferCells::own)),
        plan::micro_batches_in_flight(schedule))
        << info.name;
  }
  EXPECT_THAT(plan::micro_batches_in_flight(
                  schedule::make_schedule("1f1b", {.ranks = 4, .micro_batches = 8})),
              ElementsAre(4, 3, 2, 1));
}

TEST(PlanTest, RefusesToRecomputeWhatIsNotThereOrKeepsNoLess) {
  PlanOptions options = options_of("1f1b", Recomputation::never);
  options.recomputed = {{1, 11}};
  EXPECT_THAT([&] { plan_of(2, options); }, ThrowsMessage<InvalidArgument>(HasSubstr(
                                                "layer 11 is to be recomputed, but the model "
                                                "has the layers 0 to 10")));
  options.recomputed = {{0}};
  EXPECT_THAT([&] { plan_of(2, options); },
              ThrowsMessage<InvalidArgument>(HasSubstr("layer 0 (embedding) is to be recomputed, "
                                                       "but it would keep no less")));
}

TEST(PlanTest, LeavesTheModelAsItWas) {
  nn::Model model = small_gpt2();
  std::vector<const nn::Layer*> layers;
  for (const nn::NamedLayer& named : model.layers()) {
    layers.push_back(named.layer.get());
  }
  make_plan(model, 2, options_of("1f1b", Recomputation::always));
  EXPECT_THROW(make_plan(model, 2, options_of("1f1b", Recomputation::always, 1000)), PlanError);
  for (std::size_t i = 0; i < layers.size(); ++i) {
    EXPECT_EQ(model.layers()[i].layer.get(), layers[i]);
  }
}

TEST(PlanTest, ForwardsAloneRecomputeNothing) {
  EXPECT_TRUE(recomputed_in(plan_of(2, options_of("forward-only", Recomputation::always))).empty());
}

TEST(PlanTest, SavesWhatIsRecomputed) {
  const Plan plan = plan_of(2, options_of("1f1b", Recomputation::always));
  const std::string text = plan_to_json(plan);
  EXPECT_EQ(recomputed_in(plan_from_json(text)), recomputed_in(plan));
  EXPECT_THAT(
      [&] {
        std::string bad = text;
        plan_from_json(
            bad.replace(bad.find("\"blocks.0.mlp\"", bad.find("\"recomputed\"")), 14, "7"));
      },
      ThrowsMessage<DataError>(HasSubstr("stages[0].recomputed is [\"blocks.0.attention\",7")));
}

TEST(PlanTest, PutsPinnedLayersOnTheirStages) {
  PlanOptions options = options_of("1f1b", Recomputation::never);
  options.pins = {{.layer = "blocks.0.mlp", .stage = 1}, {.layer = "8", .stage = 2}};
  const Plan plan = plan_of(3, options);
  EXPECT_LE(plan.stages[1].first_layer, 2);  // blocks.0.mlp
  EXPECT_EQ(plan.stages[1].first_layer + plan.stages[1].layers, plan.stages[2].first_layer);
  EXPECT_LE(plan.stages[2].first_layer, 8);
  options.pins = {{.layer = "head", .stage = 1}};
  EXPECT_THROW(plan_of(3, options), InvalidArgument);
  options.pins = {{.layer = "blocks.9.mlp", .stage = 1}};
  EXPECT_THAT([&] { plan_of(3, options); },
              ThrowsMessage<InvalidArgument>(
                  HasSubstr("there is no layer 'blocks.9.mlp'; layers have the names embedding … "
                            "head, or the numbers 0 to 10")));
  for (const std::string number : {"11", "-1", "3x", ""}) {
    options.pins = {{.layer = number, .stage = 1}};
    EXPECT_THROW(plan_of(3, options), InvalidArgument) << number;
  }
}

TEST(PlanTest, KeepsRangesOfLayersOnOneStage) {
  PlanOptions options = options_of("1f1b", Recomputation::never);
  options.together = {{.first = "embedding", .last = "blocks.2.attention"}};
  const Plan plan = plan_of(3, options);
  EXPECT_GE(plan.stages[0].layers, 6);
  options.together = {{.first = "7", .last = "1"}};
  options.split = {4, 4, 3};
  EXPECT_THROW(plan_of(3, options), InvalidArgument);
  options.split = {1, 7, 3};
  EXPECT_THAT(layers_of(plan_of(3, options)), ElementsAre(1, 7, 3));
}

}  // namespace
}  // namespace lockflight
