// The optimizer in the schedule gives the bits of the optimizer after the step, whether a rank's
// update at once was right, was wrong and is taken back, or was left out and comes late.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using plan::OptimizerPlace;
using test::Streams;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr int kMicroBatches = 4;
constexpr std::int64_t kRows = 1;
constexpr std::uint32_t kSteps = 5;

struct Case {
  int ranks = 1;
  std::string schedule = "1f1b";
  int stages_per_rank = 1;
  OptimizerPlace place = OptimizerPlace::after_step;
  std::string optimizer = "adamw";
  float clip = 0;
  bool tied = false;
  DType dtype = DType::f32;
  std::string csv = {};  // a schedule of one's own
};

// What is the same for every partition, to the bit.
struct Outcome {
  std::vector<float> losses;
  std::vector<double> norms;
  std::vector<std::uint64_t> weights;
  std::string error;

  friend bool operator==(const Outcome&, const Outcome&) = default;
};

void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << testing::PrintToString(outcome.losses) << testing::PrintToString(outcome.norms)
       << testing::PrintToString(outcome.weights) << outcome.error;
}

// How often a rank but the last updated at once and kept that, took it back, or left it out.
struct Paths {
  int kept = 0;
  int taken_back = 0;
  int late = 0;
};

class Training {
 public:
  Training(const Case& given, const Streams& streams)
      : given_(given),
        world_(test::make_world(given.ranks, streams)),
        pipeline_(make_pipeline()),
        optimizer_(make_optimizer()) {}

  Outcome run(std::uint32_t steps = kSteps) {
    Outcome outcome;
    for (std::uint32_t i = 0; i < steps; ++i) {
      outcome.losses.push_back(forward_backward());
      outcome.norms.push_back(optimizer_->step());
      outcome.weights.push_back(pipeline_.weights_hash());
    }
    return outcome;
  }

  // The same with a learning rate of its own for each step, in one call or in one for each.
  Outcome run_row(const std::vector<double>& rates, bool apart = false) {
    std::vector<Batch> batches;
    std::vector<StepInput> inputs;
    for (std::size_t i = 0; i < rates.size(); ++i) {
      batches.push_back(test::token_batch(kRows * kMicroBatches,
                                          pipeline_.step() + static_cast<std::uint32_t>(i)));
    }
    for (std::size_t i = 0; i < rates.size(); ++i) {
      inputs.push_back({.batch = &batches[i], .learning_rate = rates[i]});
    }
    Outcome outcome;
    const auto done = [&](const StepResult& result, double norm) {
      outcome.losses.push_back(result.loss);
      outcome.norms.push_back(norm);
    };
    try {
      if (!apart) {
        optimizer_->train(inputs, done);
      }
      for (std::size_t i = 0; apart && i < inputs.size(); ++i) {
        optimizer_->set_learning_rate(rates[i]);
        const StepResult result = pipeline_.forward_backward(batches[i]);
        done(result, optimizer_->step());
      }
    } catch (const Error& error) {
      outcome.error = error.what();
    }
    outcome.weights.push_back(pipeline_.weights_hash());
    return outcome;
  }

  float forward_backward() {
    return pipeline_.forward_backward(test::token_batch(kRows * kMicroBatches, pipeline_.step()))
        .loss;
  }

  // By the gradients that the ranks have now.
  void count(Paths& paths) {
    const auto gradients = test::gradients_of(pipeline_);
    std::vector<double> squares(static_cast<std::size_t>(given_.ranks) + 1, 0);
    for (const auto& entry : pipeline_.parameters().entries()) {
      for (const float g : gradients.at(entry.parameter->name())) {
        squares[entry.rank + 1] += entry.tied_to < 0 ? double{g} * double{g} : 0;
      }
    }
    for (int rank = 0; rank < given_.ranks; ++rank) {
      squares[rank + 1] += squares[rank];
    }
    const bool clipped = std::sqrt(squares.back()) > given_.clip;
    for (int rank = 0; rank + 1 < given_.ranks; ++rank) {
      const bool at_once = std::sqrt(squares[rank + 1]) <= given_.clip;
      (at_once && !clipped ? paths.kept : at_once ? paths.taken_back : paths.late) += 1;
    }
  }

  Pipeline& pipeline() { return pipeline_; }
  train::Optimizer& optimizer() { return *optimizer_; }

 private:
  Pipeline make_pipeline() {
    nn::Model model = test::tiny_gpt2(given_.tied, 0.1F, given_.dtype);
    const Plan plan = make_plan(model, world_,
                                {.micro_batch = {.rows = kRows},
                                 .micro_batches = kMicroBatches,
                                 .schedule = given_.schedule,
                                 .stages_per_rank = given_.stages_per_rank,
                                 .own_schedule = own_schedule(),
                                 .optimizer_states = given_.optimizer == "sgd" ? 1 : 2,
                                 .lower = {.optimizer = given_.place}});
    return {world_, std::move(model), plan, {.seed = 3}};
  }

  std::optional<schedule::Schedule> own_schedule() const {
    return given_.csv.empty() ? std::nullopt : std::optional(schedule::read_csv(given_.csv));
  }

  std::unique_ptr<train::Optimizer> make_optimizer() {
    const ParameterSet& parameters = pipeline_.parameters();
    if (given_.optimizer == "sgd") {
      return std::make_unique<train::Sgd>(parameters, train::SgdOptions{.learning_rate = 0.1F,
                                                                        .momentum = 0.9F,
                                                                        .weight_decay = 0.01F,
                                                                        .clip_norm = given_.clip});
    }
    return std::make_unique<train::AdamW>(
        parameters, train::AdamWOptions{.learning_rate = 0.01F, .clip_norm = given_.clip});
  }

  Case given_;
  World world_;
  Pipeline pipeline_;
  std::unique_ptr<train::Optimizer> optimizer_;
};

class OptimizerInScheduleTest : public test::StreamsTest {
 protected:
  static Streams plainest() { return test::plainest(GetParam()); }

  // Nothing; about every second step; every step, on all ranks but perhaps the first at once.
  static std::vector<float> clips(const Case& given) {
    Case unclipped = given;
    unclipped.clip = 0;
    std::vector<double> norms = Training(unclipped, plainest()).run().norms;
    std::ranges::sort(norms);
    return {0, static_cast<float>(norms[norms.size() / 2]), static_cast<float>(norms.front() / 8)};
  }

  // Kernels of the virtual GPU host take their time, and the CPU's tests have walked the matrix.
  static bool is_slow() { return GetParam().device == DeviceKind::cuda; }
  static std::vector<std::pair<int, int>> sizes() {
    return is_slow() ? std::vector{std::pair{2, 2}} : std::vector{std::pair{2, 1}, {3, 1}, {2, 2}};
  }

  // Up to four ranks, for both optimizers, with any of the clips.
  template <class Run>
  static void expect_same_bits(const Run& run) {
    for (const std::string optimizer : {"adamw", "sgd"}) {
      Case given{.schedule = "gpipe", .optimizer = optimizer, .tied = optimizer == "sgd"};
      const std::vector<float> all = clips(given);
      for (const float clip : all) {
        given.clip = clip;
        given.ranks = 1;
        given.schedule = "gpipe";
        given.place = OptimizerPlace::after_step;
        const Outcome expected = run(given, plainest());
        given.place = OptimizerPlace::in_schedule;
        for (const int ranks :
             clip == all[1] && !is_slow() ? std::vector{1, 2, 3, 4} : std::vector{3}) {
          given.ranks = ranks;
          given.schedule = ranks % 2 == 0 ? "gpipe" : "1f1b";
          EXPECT_EQ(run(given, GetParam()), expected)
              << ranks << " ranks, " << optimizer << ", clip " << clip;
        }
      }
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, OptimizerInScheduleTest,
                         ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(OptimizerInScheduleTest, GivesTheBitsOfTheOptimizerAfterTheStep) {
  expect_same_bits(
      [](const Case& given, const Streams& streams) { return Training(given, streams).run(); });
}

TEST_P(OptimizerInScheduleTest, GivesTheSameBitsForEverySchedule) {
  Case given{.schedule = "gpipe", .tied = true};
  given.clip = clips(given)[1];
  const Outcome expected = Training(given, plainest()).run();
  given.place = OptimizerPlace::in_schedule;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    if (info.copies > 1) {
      continue;  // it has bits of its own: see dualpipe_test
    }
    for (const auto& [ranks, stages] : sizes()) {
      given.schedule = info.name;
      given.ranks = ranks;
      given.stages_per_rank = stages;
      std::unique_ptr<Training> training;
      try {
        training = std::make_unique<Training>(given, GetParam());
      } catch (const InvalidArgument&) {
        continue;  // the schedule does not admit this size
      }
      if (schedule::has_backward(training->pipeline().plan().schedule)) {
        EXPECT_EQ(training->run(), expected) << info.name << " on " << ranks << " ranks";
      }
    }
  }
}

TEST_P(OptimizerInScheduleTest, GivesTheSameBitsInBf16) {
  Case given{.schedule = "gpipe", .tied = true, .dtype = DType::bf16};
  given.clip = clips(given)[1];
  const Outcome expected = Training(given, plainest()).run();
  given.place = OptimizerPlace::in_schedule;
  given.ranks = 3;
  EXPECT_EQ(Training(given, GetParam()).run(), expected);
}

const std::vector<double> kRates = {0.02, 0.01, 0.03, 0.005, 0.01, 0.02};

TEST_P(OptimizerInScheduleTest, StepsInARowGiveTheBitsOfStepsApart) {
  expect_same_bits([](const Case& given, const Streams& streams) {
    const bool apart = given.place == OptimizerPlace::after_step;
    return Training(given, streams).run_row(kRates, apart);
  });
}

TEST_P(OptimizerInScheduleTest, StepsInARowGiveTheSameBitsForEverySchedule) {
  Case given{.schedule = "gpipe", .tied = true};
  given.clip = clips(given)[1];
  const Outcome expected = Training(given, plainest()).run_row(kRates, true);
  given.place = OptimizerPlace::in_schedule;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    if (info.copies > 1) {
      continue;  // it has bits of its own: see dualpipe_test
    }
    for (const auto& [ranks, stages] : sizes()) {
      given.schedule = info.name;
      given.ranks = ranks;
      given.stages_per_rank = stages;
      std::unique_ptr<Training> training;
      try {
        training = std::make_unique<Training>(given, GetParam());
      } catch (const InvalidArgument&) {
        continue;  // the schedule does not admit this size
      }
      if (schedule::has_backward(training->pipeline().plan().schedule)) {
        EXPECT_EQ(training->run_row(kRates), expected) << info.name << " on " << ranks << " ranks";
      }
    }
  }
}

// ZB-2p and ZB-V, for which all of this is made: W apart from I, long prologues, two stages a rank.
TEST_P(OptimizerInScheduleTest, StepsInARowGiveTheSameBitsWhereBackwardsAreSplit) {
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

TEST_P(OptimizerInScheduleTest, RowsStepsAndEvaluationsFollowEachOther) {
  Case given{.clip = 1};
  const auto run = [&](const Case& how, const Streams& streams) {
    Training training(how, streams);
    Outcome outcome = training.run_row({0.01, 0.02, 0.01});
    outcome.losses.push_back(training.pipeline().evaluate(test::token_batch(kRows, 9)));
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
TEST_P(OptimizerInScheduleTest, ARowEndsWithTheStepThatIsRefused) {
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

// Hosts that wait for sums which never come come back.
TEST_P(OptimizerInScheduleTest, ARowEndsOnAllRanksWhenAnActionFails) {
  for (const std::size_t spoiled : {std::size_t{0}, std::size_t{2}}) {
    Training training({.ranks = 3, .place = OptimizerPlace::in_schedule}, GetParam());
    std::vector<Batch> batches;
    std::vector<StepInput> inputs;
    for (std::uint32_t step = 0; step < 4; ++step) {
      batches.push_back(test::token_batch(kRows * kMicroBatches, step));
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

TEST(OptimizerInSchedulePathsTest, ARowMeasuresEveryActionOfEveryStepOnce) {
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

// What the tests above rely on: all of it happens, in one run.
TEST(OptimizerInSchedulePathsTest, KeepsTakesBackAndLeavesOutUpdates) {
  for (const std::string optimizer : {"adamw", "sgd"}) {
    Case given{.ranks = 3, .optimizer = optimizer};
    std::vector<double> norms = Training(given, {}).run().norms;
    std::ranges::sort(norms);
    Paths paths;
    for (const double clip : {norms[kSteps / 2], norms.front() / 8}) {
      given.clip = static_cast<float>(clip);
      given.place = OptimizerPlace::in_schedule;
      Training training(given, {});
      for (std::uint32_t step = 0; step < kSteps; ++step) {
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
    for (const int spoiled : {0, 1, 2}) {
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

TEST(OptimizerInScheduleMemoryTest, IsPlannedToTheByte) {
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
