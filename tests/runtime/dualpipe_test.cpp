// DualPipe, two copies of the model on the same ranks, trains to the bits of one rank that sums the
// gradients of the two directions apart and adds them.

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/checkpoint.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"
#include "runtime/two_sums.h"
#include "train/scratch_folder.h"

namespace lockflight {
namespace {

using plan::OptimizerPlace;
using test::Streams;
using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

constexpr std::uint32_t kDualPipeSteps = 4;

struct DualPipeCase {
  int ranks = 1;  // 1: the one to compare with
  int micro_batches = 8;
  bool tied = true;
  DType dtype = DType::f32;
  float clip = 0;
  bool sgd = false;
  OptimizerPlace place = OptimizerPlace::after_step;
  Recomputation recompute = Recomputation::never;
  bool transfers = false;  // the dialect with them
  bool halves = true;      // false: one rank that sums all micro-batches in a row
};

// What must not differ, to the bit.
struct DualPipeOutcome {
  std::vector<float> losses;
  std::vector<double> norms;
  std::vector<std::uint64_t> weights;
  float evaluated = 0;

  friend bool operator==(const DualPipeOutcome&, const DualPipeOutcome&) = default;
};

void PrintTo(const DualPipeOutcome& outcome, std::ostream* out) {
  *out << testing::PrintToString(outcome.losses) << testing::PrintToString(outcome.norms)
       << testing::PrintToString(outcome.weights) << ' ' << outcome.evaluated;
}

class DualPipeTraining {
 public:
  DualPipeTraining(const DualPipeCase& given, const Streams& streams)
      : given_(given),
        world_(test::make_world(given.ranks, streams)),
        pipeline_(make_pipeline()),
        optimizer_(make_optimizer()) {}

  DualPipeOutcome run() {
    DualPipeOutcome outcome;
    for (std::uint32_t step = 0; step < kDualPipeSteps; ++step) {
      const StepResult result = forward_backward();
      outcome.losses.push_back(result.loss);
      outcome.losses.insert(outcome.losses.end(), result.micro_batch_losses.begin(),
                            result.micro_batch_losses.end());
      outcome.norms.push_back(optimizer_->step());
      outcome.weights.push_back(pipeline_.weights_hash());
    }
    outcome.evaluated = pipeline_.evaluate(test::token_batch(3, 99));
    return outcome;
  }

  // The steps in a row.
  DualPipeOutcome run_row() {
    std::vector<Batch> batches;
    std::vector<StepInput> inputs(kDualPipeSteps);
    for (std::uint32_t step = 0; step < kDualPipeSteps; ++step) {
      batches.push_back(test::token_batch(given_.micro_batches, step));
    }
    for (std::uint32_t step = 0; step < kDualPipeSteps; ++step) {
      inputs[step] = {.batch = &batches[step], .learning_rate = 0.01};
    }
    DualPipeOutcome outcome;
    optimizer_->train(inputs, [&](const StepResult& result, double norm) {
      outcome.losses.push_back(result.loss);
      outcome.norms.push_back(norm);
    });
    outcome.weights.push_back(pipeline_.weights_hash());
    return outcome;
  }

  StepResult forward_backward() {
    return pipeline_.forward_backward(test::token_batch(given_.micro_batches, pipeline_.step()));
  }

  Pipeline& pipeline() { return pipeline_; }
  train::Optimizer& optimizer() { return *optimizer_; }

 private:
  Pipeline make_pipeline() {
    nn::Model model = test::tiny_gpt2(given_.tied, 0.1F, given_.dtype);
    PlanOptions options{.micro_batches = given_.micro_batches,
                        .schedule = given_.ranks == 1 ? "gpipe" : "dualpipe",
                        .recompute = given_.recompute,
                        .optimizer_states = given_.sgd ? 1 : 2,
                        .lower = {.optimizer = given_.place}};
    if (given_.ranks == 1 && given_.halves) {
      test::sum_in_halves(model, given_.micro_batches);
    }
    if (given_.transfers) {
      options.own_schedule = plan::with_transfers(
          schedule::make_schedule("dualpipe",
                                  {.ranks = given_.ranks, .micro_batches = given_.micro_batches}),
          plan::TransferCells::own);
    }
    const Plan plan = make_plan(model, world_, options);
    return {world_, std::move(model), plan, {.seed = 3}};
  }

  std::unique_ptr<train::Optimizer> make_optimizer() {
    const ParameterSet& parameters = pipeline_.parameters();
    if (given_.sgd) {
      return std::make_unique<train::Sgd>(
          parameters,
          train::SgdOptions{.learning_rate = 0.1F, .momentum = 0.9F, .clip_norm = given_.clip});
    }
    return std::make_unique<train::AdamW>(
        parameters, train::AdamWOptions{.learning_rate = 0.01F, .clip_norm = given_.clip});
  }

  DualPipeCase given_;
  World world_;
  Pipeline pipeline_;
  std::unique_ptr<train::Optimizer> optimizer_;
};

class DualPipeTrainingTest : public test::StreamsTest {
 protected:
  static DualPipeOutcome run(const DualPipeCase& given) {
    return DualPipeTraining(given, GetParam()).run();
  }

  static DualPipeOutcome of_one_rank(DualPipeCase given) {
    given.ranks = 1;
    given.place = OptimizerPlace::after_step;
    given.recompute = Recomputation::never;
    given.transfers = false;
    return DualPipeTraining(given, test::plainest(GetParam())).run();
  }

  // Kernels of the virtual GPU host take their time, and the CPU's tests have walked the matrix.
  static bool is_slow() { return GetParam().device == DeviceKind::cuda; }
  static std::vector<int> ranks() { return is_slow() ? std::vector{4} : std::vector{2, 4}; }

  // A limit that clips some steps and leaves others.
  static float clip_of(DualPipeCase given) {
    given.clip = 0;
    std::vector<double> norms = of_one_rank(given).norms;
    std::ranges::sort(norms);
    EXPECT_LT(norms.front(), norms.back());
    return static_cast<float>((norms[1] + norms[2]) / 2);
  }
};

INSTANTIATE_TEST_SUITE_P(On, DualPipeTrainingTest,
                         ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(DualPipeTrainingTest, GivesTheBitsOfOneRankThatSumsTheDirectionsApart) {
  for (const bool tied : is_slow() ? std::vector{true} : std::vector{false, true}) {
    DualPipeCase given{.tied = tied, .sgd = !tied};
    given.clip = clip_of(given);
    const DualPipeOutcome expected = of_one_rank(given);
    EXPECT_THAT(expected.norms, ::testing::Contains(::testing::Lt(given.clip)));
    EXPECT_THAT(expected.norms, ::testing::Contains(::testing::Gt(given.clip)));
    for (const int ranks : ranks()) {
      given.ranks = ranks;
      EXPECT_EQ(run(given), expected) << ranks << " ranks" << (tied ? ", tied" : "");
    }
  }
  if (!is_slow()) {
    DualPipeCase six{.micro_batches = 12};
    const DualPipeOutcome expected = of_one_rank(six);
    six.ranks = 6;
    EXPECT_EQ(run(six), expected);
  }
}

TEST_P(DualPipeTrainingTest, GivesThoseBitsInBf16) {
  DualPipeCase given{.dtype = DType::bf16};
  const DualPipeOutcome expected = of_one_rank(given);
  given.ranks = 4;
  EXPECT_EQ(run(given), expected);
}

TEST_P(DualPipeTrainingTest, GivesThoseBitsFromAFileWithTransfersAndWithRecomputedLayers) {
  DualPipeCase given{.micro_batches = 4};
  const DualPipeOutcome expected = of_one_rank(given);
  given.ranks = 2;
  given.transfers = true;
  EXPECT_EQ(run(given), expected);
  given.transfers = false;
  given.recompute = Recomputation::always;
  EXPECT_EQ(run(given), expected);
}

TEST_P(DualPipeTrainingTest, GivesThoseBitsWithTheOptimizerInTheSchedule) {
  DualPipeCase given{.micro_batches = is_slow() ? 4 : 8};
  given.clip = clip_of(given);
  const DualPipeOutcome expected = of_one_rank(given);
  const DualPipeOutcome expected_row =
      DualPipeTraining(given, test::plainest(GetParam())).run_row();
  given.place = OptimizerPlace::in_schedule;
  for (const int ranks : is_slow() ? std::vector{2} : std::vector{2, 4}) {
    given.ranks = ranks;
    EXPECT_EQ(run(given), expected) << ranks << " ranks";
    EXPECT_EQ(DualPipeTraining(given, GetParam()).run_row(), expected_row)
        << ranks << " ranks in a row";
  }
}

// The order of the sums is what makes the difference.
TEST(DualPipeInAPipelineTest, HasOtherBitsThanOneRankThatSumsInARow) {
  const DualPipeOutcome in_halves = DualPipeTraining({}, {}).run();
  const DualPipeOutcome in_a_row = DualPipeTraining({.halves = false}, {}).run();
  EXPECT_EQ(in_halves.losses.front(), in_a_row.losses.front());
  EXPECT_NE(in_halves.weights, in_a_row.weights);
}

TEST(DualPipeInAPipelineTest, KeepsBothCopiesEqualToTheBit) {
  DualPipeTraining training({.ranks = 4}, {});
  training.run();
  Pipeline& pipeline = training.pipeline();
  const auto entries = pipeline.parameters().entries();
  ASSERT_EQ(entries.size(), 2 * test::tiny_gpt2(true).parameters().size());
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::size_t first = i % (entries.size() / 2);
    EXPECT_EQ(pipeline.read_back(i), pipeline.read_back(first)) << i;
    EXPECT_EQ(entries[i].parameter->name(), entries[first].parameter->name());
    EXPECT_TRUE(i == first || entries[i].tied_to >= 0);
    EXPECT_TRUE(entries[i].tied_to < 0 || entries[entries[i].tied_to].tied_to < 0);
  }
}

TEST(DualPipeInAPipelineTest, AddsUpGradientsOfSeveralStepsEachOnce) {
  std::vector<DualPipeOutcome> outcomes;
  for (const int ranks : {1, 2, 4}) {
    DualPipeTraining training({.ranks = ranks}, {});
    DualPipeOutcome& outcome = outcomes.emplace_back();
    for (int i = 0; i < 3; ++i) {
      outcome.losses.push_back(training.forward_backward().loss);
    }
    outcome.norms.push_back(training.optimizer().step());
    outcome.weights.push_back(training.pipeline().weights_hash());
    training.forward_backward();
    outcome.norms.push_back(training.optimizer().step());
    outcome.weights.push_back(training.pipeline().weights_hash());
  }
  EXPECT_THAT(outcomes, Each(outcomes.front()));
}

TEST(DualPipeInAPipelineTest, TakesTheBytesOfItsPlanAndHoldsParametersTwice) {
  for (const int ranks : {2, 4}) {
    DualPipeTraining training({.ranks = ranks}, {});
    training.forward_backward();
    Pipeline& pipeline = training.pipeline();
    const Plan& plan = pipeline.plan();
    std::size_t parameters = 0;
    std::size_t gradients = 0;
    for (int rank = 0; rank < ranks; ++rank) {
      EXPECT_EQ(pipeline.step_memory(rank).peak_bytes, plan.memory[rank].step_peak_bytes);
      parameters += plan.memory[rank].parameter_bytes;
      gradients += plan.memory[rank].gradient_bytes;
    }
    std::size_t once = 0;
    nn::Model model = test::tiny_gpt2(true);
    for (const nn::Parameter* parameter : model.parameters()) {
      once += parameter->value_bytes();
    }
    EXPECT_EQ(parameters, 2 * once);
    EXPECT_EQ(gradients, 2 * once);
  }
}

TEST(DualPipeInAPipelineTest, RunsASavedPlan) {
  nn::Model model = test::tiny_gpt2(true);
  const Plan plan = make_plan(model, 4, {.micro_batches = 8, .schedule = "dualpipe"});
  const std::string text = plan_to_json(plan);
  const Plan loaded = plan_from_json(text);
  EXPECT_EQ(plan_to_json(loaded), text);
  EXPECT_EQ(to_string(loaded.program), to_string(plan.program));
  World world = test::make_world(4, {});
  Pipeline pipeline(world, std::move(model), loaded, {.seed = 3});
  DualPipeTraining other({.ranks = 4}, {});
  EXPECT_EQ(pipeline.forward_backward(test::token_batch(8, 0)).micro_batch_losses,
            other.forward_backward().micro_batch_losses);
}

// One copy is saved, and both are loaded.
TEST(DualPipeInAPipelineTest, ResumesOnAnotherNumberOfRanksFromItsCheckpoint) {
  const train::ScratchFolder folder;
  DualPipeTraining whole({.ranks = 2}, {});
  for (int i = 0; i < 2; ++i) {
    whole.forward_backward();
    whole.optimizer().step();
  }
  save_checkpoint(folder.path(), whole.pipeline(), whole.optimizer(), {.seed = 3});
  const DualPipeOutcome expected = whole.run();
  for (const int ranks : {1, 4}) {
    DualPipeTraining resumed({.ranks = ranks}, {});
    load_checkpoint(folder.path(), resumed.pipeline(), resumed.optimizer());
    EXPECT_EQ(resumed.run(), expected) << ranks << " ranks";
  }
}

TEST(DualPipeInAPipelineTest, SaysWhatItNeedsOfAModel) {
  nn::Model model = test::tiny_gpt2();
  const Plan plan = make_plan(model, 2, {.micro_batches = 4, .schedule = "dualpipe"});
  World world = test::make_world(2, {});
  const auto refusal = [&](std::function<nn::Model()> make) {
    return [&world, &plan, make = std::move(make)] {
      nn::Model other = test::tiny_gpt2();
      other.made_by(make);
      Pipeline(world, std::move(other), plan);
    };
  };
  EXPECT_THAT(refusal(nullptr), ThrowsMessage<InvalidArgument>(HasSubstr("call made_by")));
  EXPECT_THAT(refusal([] { return test::tiny_gpt2(true); }),
              ThrowsMessage<InvalidArgument>(HasSubstr("makes another model")));
  EXPECT_THAT(
      refusal([] { return nn::mlp({.inputs = 2, .hidden = 2, .outputs = 2, .layers = 2}); }),
      ThrowsMessage<InvalidArgument>(HasSubstr("makes another model")));
  EXPECT_NO_THROW(refusal([] { return test::tiny_gpt2(); })());
  EXPECT_THROW(make_plan(model, 3, {.micro_batches = 6, .schedule = "dualpipe"}), InvalidArgument);
  EXPECT_THROW(make_plan(model, 8, {.micro_batches = 16, .schedule = "dualpipe"}),
               InvalidArgument);  // seven layers
}

}  // namespace
}  // namespace lockflight
