// Steps that are enqueued in a row, with the optimizer in the schedule, give the bits of steps
// apart.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/train/optimizer.h"
#include "runtime/optimizer_runs.h"

namespace lockflight {
namespace {

using plan::OptimizerPlace;
using test::Case;
using test::Outcome;
using test::Streams;
using test::Training;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

class StepsInARowTest : public test::UpdateTest {};

INSTANTIATE_TEST_SUITE_P(On, StepsInARowTest, ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

const std::vector<double> kRates = {0.02, 0.01, 0.03, 0.005, 0.01, 0.02};

Outcome bits_of_a_row(const Case& given, const Streams& streams) {
  const bool apart = given.place == OptimizerPlace::after_step;
  return Training(given, streams).run_row(kRates, apart);
}

TEST_P(StepsInARowTest, GiveTheBitsOfStepsApart) { expect_same_bits(bits_of_a_row); }

TEST_P(StepsInARowTest, GiveTheSameBitsForEverySchedule) {
  expect_same_bits_for_every_schedule(bits_of_a_row);
}

// ZB-2p and ZB-V, for which all of this is made: W apart from I, long prologues, two stages a rank.
TEST_P(StepsInARowTest, GiveTheSameBitsWhereBackwardsAreSplit) {
  Case given{.schedule = "gpipe", .tied = true};
  given.clip = clips(given)[1];
  const Outcome expected = Training(given, plainest()).run_row(kRates, true);
  given.ranks = 2;
  given.place = OptimizerPlace::in_schedule;
  for (const char* csv :
       {"0F0,0F1,0F2,0I0,0F3,0I1,0W0,0I2,0W1,0I3,0W2,0W3\n"
        "1F0,1I0,1F1,1I1,1F2,1I2,1F3,1I3,1W0,1W1,1W2,1W3\n",
        "0F0,0F1,0F2,3F0,3I0,3W0,3F1,3I1,3W1,0F3,0I0,0W0,3F2,3I2,3W2,0I1,0W1,3F3,3I3,3W3,0I2,0W2,"
        "0I3,0W3\n"
        "1F0,2F0,1F1,2F1,2I0,2W0,1F2,1I0,1W0,2F2,2I1,2W1,1F3,1I1,1W1,2F3,2I2,2W2,1I2,2I3,1I3,1W2,"
        "2W3,1W3\n"}) {
    given.csv = csv;
    EXPECT_EQ(Training(given, GetParam()).run_row(kRates), expected) << csv;
  }
}

TEST_P(StepsInARowTest, FollowStepsAndEvaluations) {
  Case given{.clip = 1};
  const auto run = [&](const Case& how, const Streams& streams) {
    Training training(how, streams);
    Outcome outcome = training.run_row({0.01, 0.02, 0.03});
    EXPECT_EQ(training.optimizer().learning_rate(), 0.03F);
    outcome.losses.push_back(training.pipeline().evaluate(test::token_batch(test::kRows, 9)));
    const Outcome steps = training.run(2);
    const Outcome more = training.run_row({0.01});
    const Outcome none = training.run_row({});
    EXPECT_TRUE(none.losses.empty());
    for (const Outcome& part : {steps, more, none}) {
      outcome.losses.insert(outcome.losses.end(), part.losses.begin(), part.losses.end());
      outcome.weights.insert(outcome.weights.end(), part.weights.begin(), part.weights.end());
    }
    EXPECT_EQ(training.pipeline().step(), 6U);
    EXPECT_EQ(training.optimizer().updates(), 6);
    return outcome;
  };
  const Outcome expected = run(given, plainest());
  given.ranks = 3;
  given.place = OptimizerPlace::in_schedule;
  EXPECT_EQ(run(given, GetParam()), expected);
}

// The learning rate of the second step ruins the weights, so the third has no gradient.
TEST_P(StepsInARowTest, EndWithTheStepThatIsRefused) {
  for (const std::string optimizer : {"adamw", "sgd"}) {
    Case given{.optimizer = optimizer};
    const std::vector<double> ruinous = {0.01, 1e30, 0.01, 0.01};
    const Outcome expected = Training(given, plainest()).run_row(ruinous, true);
    EXPECT_THAT(expected.losses, ::testing::SizeIs(2));
    EXPECT_THAT(expected.error, HasSubstr("at update 3, by that of"));
    given.place = OptimizerPlace::in_schedule;
    for (given.ranks = 1; given.ranks <= 3; ++given.ranks) {
      Training training(given, GetParam());
      EXPECT_EQ(training.run_row(ruinous), expected) << given.ranks << " ranks";
      EXPECT_EQ(training.pipeline().step(), 2U);
      EXPECT_EQ(training.optimizer().updates(), 2);
      for (const auto& [name, gradient] : test::gradients_of(training.pipeline())) {
        EXPECT_THAT(gradient, Each(0.0F)) << name;
      }
    }
  }
}

// What training a perceptron leaves, with all targets of a step of one value.
struct Left {
  std::uint64_t weights = 0;
  std::uint32_t step = 0;
  std::int64_t updates = 0;
  std::string error;
};

Left trained_to(const std::vector<float>& targets, const Case& given, const Streams& streams) {
  World world = test::make_world(given.ranks, streams);
  nn::Model model = nn::mlp({.inputs = 3, .hidden = 4, .outputs = 2, .layers = 3});
  const Plan plan = make_plan(
      model, world, {.micro_batches = test::kMicroBatches, .lower = {.optimizer = given.place}});
  Pipeline pipeline(world, std::move(model), plan);
  train::AdamW optimizer(pipeline.parameters(), {.clip_norm = given.clip});
  std::vector<Batch> batches;
  for (const float target : targets) {
    HostTensor inputs({{test::kMicroBatches, 3}, DType::f32});
    HostTensor outputs({{test::kMicroBatches, 2}, DType::f32});
    std::ranges::fill(inputs.as<float>(), 0.5F);
    std::ranges::fill(outputs.as<float>(), target);
    batches.push_back({.inputs = {std::move(inputs)}, .targets = {std::move(outputs)}});
  }
  std::vector<StepInput> inputs;
  for (const Batch& batch : batches) {
    inputs.push_back({.batch = &batch, .learning_rate = 0.01});
  }
  Left left;
  try {
    optimizer.train(inputs);
  } catch (const Error& error) {
    left.error = error.what();
  }
  left.weights = pipeline.weights_hash();
  left.step = pipeline.step();
  left.updates = optimizer.updates();
  return left;
}

// The steps behind it could update, since their gradients are finite.
TEST_P(StepsInARowTest, UpdateNothingBehindTheStepThatIsRefused) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const float clip : {0.0F, 0.001F}) {
    const Left expected = trained_to({1}, {.clip = clip}, plainest());
    EXPECT_EQ(expected.error, "");
    for (const OptimizerPlace place : {OptimizerPlace::after_step, OptimizerPlace::in_schedule}) {
      for (const int ranks : {1, 3}) {
        const Left left = trained_to({1, infinity, 2, 3},
                                     {.ranks = ranks, .place = place, .clip = clip}, GetParam());
        EXPECT_THAT(left.error, HasSubstr("at update 2, by that of"));
        EXPECT_EQ(left.weights, expected.weights) << ranks << " ranks, clip " << clip;
        EXPECT_EQ(left.step, 1U);
        EXPECT_EQ(left.updates, 1);
      }
    }
  }
}

// Hosts that wait for sums which never come come back.
TEST_P(StepsInARowTest, EndOnAllRanksWhenAnActionFails) {
  for (const std::size_t spoiled : {std::size_t{0}, std::size_t{2}}) {
    Training training({.ranks = 3, .place = OptimizerPlace::in_schedule}, GetParam());
    std::vector<Batch> batches;
    std::vector<StepInput> inputs;
    for (std::uint32_t step = 0; step < 4; ++step) {
      batches.push_back(test::token_batch(test::kRows * test::kMicroBatches, step));
    }
    batches[spoiled].inputs[0].as<std::int32_t>()[0] = 99;
    for (const Batch& batch : batches) {
      inputs.push_back({.batch = &batch, .learning_rate = 0.01});
    }
    EXPECT_THAT([&] { training.optimizer().train(inputs); },
                ThrowsMessage<InvalidArgument>(HasSubstr("token 99")));
    EXPECT_THAT([&] { training.optimizer().train(inputs); },
                ThrowsMessage<Error>(HasSubstr("this pipeline failed before")));
  }
}

TEST(StepsInARowTimelineTest, MeasureEveryActionOnce) {
  Case given{.ranks = 3, .place = OptimizerPlace::in_schedule};
  std::vector<double> norms = Training(given, {}).run_row(kRates).norms;
  std::ranges::sort(norms);
  given.clip = static_cast<float>(norms[norms.size() / 2]);
  Training training(given, {});
  const Outcome outcome = training.run_row(kRates);
  // Some updates were amended, and some were not.
  const auto amended =
      std::ranges::count_if(outcome.norms, [&](double norm) { return norm > given.clip; });
  EXPECT_GT(amended, 0);
  EXPECT_LT(amended, std::ssize(outcome.norms));
  const Timeline& timeline = training.pipeline().timeline();
  for (std::uint32_t step = 0; step < kRates.size(); ++step) {
    for (int rank = 0; rank < 3; ++rank) {
      std::vector<schedule::Action> actions;
      for (const TimelineSpan& span : timeline.of_step(step).spans) {
        if (span.rank == rank && span.stream == 0) {
          actions.push_back(span.action);
          EXPECT_LE(span.begin_ns, span.end_ns);
        }
      }
      EXPECT_EQ(actions, training.pipeline().plan().schedule.actions(rank))
          << "step " << step << ", rank " << rank;
    }
  }
}

TEST(StepsInARowMemoryTest, IsPlannedToTheByte) {
  for (const std::string optimizer : {"adamw", "sgd"}) {
    for (int ranks = 1; ranks <= 3; ++ranks) {
      Training training({.ranks = ranks,
                         .place = OptimizerPlace::in_schedule,
                         .optimizer = optimizer,
                         .clip = 1,
                         .tied = true},
                        {});
      training.run(2);
      const Plan& plan = training.pipeline().plan();
      std::vector<std::int64_t> requests(static_cast<std::size_t>(ranks));
      training.pipeline().parameters().on_each_rank(
          [&](RankContext& context) { requests[context.rank] = context.device.memory().requests; });
      training.run_row(kRates);
      training.pipeline().parameters().on_each_rank([&](RankContext& context) {
        EXPECT_EQ(context.device.memory().requests, requests[context.rank]);
        EXPECT_EQ(context.device.memory().in_use_bytes, plan.memory[context.rank].arena_bytes())
            << optimizer << ", rank " << context.rank << " of " << ranks;
      });
    }
  }
}

}  // namespace
}  // namespace lockflight
