// The optimizer in the schedule gives the bits of the optimizer after the step, whether a rank's
// update at once was right, was wrong and is taken back, or was left out and comes late.

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/train/optimizer.h"
#include "runtime/optimizer_runs.h"
#include "sanitized.h"

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

class OptimizerInScheduleTest : public test::UpdateTest {};

INSTANTIATE_TEST_SUITE_P(On, OptimizerInScheduleTest,
                         ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(OptimizerInScheduleTest, GivesTheBitsOfTheOptimizerAfterTheStep) {
  expect_same_bits(
      [](const Case& given, const Streams& streams) { return Training(given, streams).run(); });
}

TEST_P(OptimizerInScheduleTest, GivesTheSameBitsForEverySchedule) {
  expect_same_bits_for_every_schedule(
      [](const Case& given, const Streams& streams) { return Training(given, streams).run(); });
}

TEST_P(OptimizerInScheduleTest, GivesTheSameBitsInBf16) {
  Case given{.schedule = "gpipe", .tied = true, .dtype = DType::bf16};
  given.clip = clips(given)[1];
  const Outcome expected = Training(given, plainest()).run();
  given.place = OptimizerPlace::in_schedule;
  given.ranks = 3;
  EXPECT_EQ(Training(given, GetParam()).run(), expected);
}

// What the tests above rely on: all of it happens, in one run.
TEST(OptimizerInSchedulePathsTest, KeepsTakesBackAndLeavesOutUpdates) {
  for (const std::string optimizer : {"adamw", "sgd"}) {
    Case given{.ranks = 3, .optimizer = optimizer};
    std::vector<double> norms = Training(given, {}).run().norms;
    std::ranges::sort(norms);
    test::Paths paths;
    for (const double clip : {norms[test::kSteps / 2], norms.front() / 8}) {
      given.clip = static_cast<float>(clip);
      given.place = OptimizerPlace::in_schedule;
      Training training(given, {});
      for (std::uint32_t step = 0; step < test::kSteps; ++step) {
        training.forward_backward();
        training.count(paths);
        training.optimizer().step();
      }
    }
    EXPECT_GT(paths.kept, 0);
    EXPECT_GT(paths.taken_back, 0);
    EXPECT_GT(paths.late, 0);
  }
}

// Of the first parameter on that rank.
std::size_t first_entry_on(const Pipeline& pipeline, int rank) {
  const auto entries = pipeline.parameters().entries();
  return static_cast<std::size_t>(std::ranges::find(entries, rank, &ParameterSet::Entry::rank) -
                                  entries.begin());
}

void spoil_gradient(const Pipeline& pipeline, std::size_t number, float value) {
  const ParameterSet::Entry& entry = pipeline.parameters().entries()[number];
  const std::vector<float> values(static_cast<std::size_t>(entry.parameter->elements()), value);
  pipeline.parameters().on_each_rank([&](RankContext& context) {
    if (context.rank == entry.rank) {
      context.stream.upload(entry.parameter->grad(), values.data());
      context.device.synchronize();
    }
  });
}

std::vector<std::vector<float>> states_of(const train::Optimizer& optimizer) {
  std::vector<std::vector<float>> states;
  for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
    states.push_back(optimizer.read_back(i));
  }
  return states;
}

TEST_P(OptimizerInScheduleTest, UpdatesNothingWhereTheNormIsNotFiniteAndGoesOn) {
  const float infinity = std::numeric_limits<float>::infinity();
  for (const std::string optimizer : {"adamw", "sgd"}) {
    for (const int spoiled : test::kSanitized ? std::vector{1} : std::vector{0, 1, 2}) {
      const Case given{.ranks = 3,
                       .place = OptimizerPlace::in_schedule,
                       .optimizer = optimizer,
                       .clip = spoiled == 1 ? 1.0F : 0.0F};
      Training training(given, GetParam());
      Pipeline& pipeline = training.pipeline();
      training.run(2);
      const std::uint64_t weights = pipeline.weights_hash();
      const auto states = states_of(training.optimizer());
      training.forward_backward();
      const std::size_t entry = first_entry_on(pipeline, spoiled);
      spoil_gradient(pipeline, entry, infinity);
      EXPECT_THAT([&] { training.optimizer().step(); },
                  ThrowsMessage<Error>(
                      HasSubstr("is inf at update 3, by that of " +
                                pipeline.parameters().entries()[entry].parameter->name())));
      EXPECT_EQ(pipeline.weights_hash(), weights);
      EXPECT_EQ(states_of(training.optimizer()), states);
      EXPECT_EQ(pipeline.step(), 2U);
      for (const auto& [name, gradient] : test::gradients_of(pipeline)) {
        EXPECT_THAT(gradient, Each(0.0F)) << name;
      }
      Case plain = given;
      plain.place = OptimizerPlace::after_step;
      EXPECT_EQ(training.run(2).weights, [&] {
        Outcome whole = Training(plain, GetParam()).run(4);
        return std::vector(whole.weights.end() - 2, whole.weights.end());
      }());
    }
  }
}

}  // namespace
}  // namespace lockflight
