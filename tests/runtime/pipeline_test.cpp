#include "lockflight/runtime/pipeline.h"

#include <cstddef>
#include <cstring>
#include <map>
#include <ostream>
#include <span>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "runtime/test_models.h"
#include "sanitized.h"

namespace lockflight {
namespace {

using test::kMicroBatchRows;
using test::kOddMicroBatches;
using test::Streams;
using ::testing::HasSubstr;
using ::testing::SizeIs;
using ::testing::ThrowsMessage;

// What a step leaves behind, to the bit.
struct StepBits {
  std::vector<float> losses;
  std::map<std::string, std::vector<float>> gradients;

  friend bool operator==(const StepBits&, const StepBits&) = default;
};

struct PipelineCase {
  int ranks = 1;
  std::string schedule = "1f1b";
  int stages_per_rank = 0;
  std::vector<int> split = {};
  Streams streams = {};
  int threads = 1;
  bool tied = false;
  DType dtype = DType::f32;
};

// What a model may be, beside its size.
struct Variant {
  bool tied = false;
  DType dtype = DType::f32;
};

constexpr Variant kVariants[] = {{}, {.tied = true}, {.tied = true, .dtype = DType::bf16}};

std::span<const Variant> variants() {
  const std::span<const Variant> all = kVariants;
  return test::kSanitized ? all.last(1) : all;
}

std::ostream& operator<<(std::ostream& out, const Variant& variant) {
  return out << name_of(variant.dtype) << (variant.tied ? ", tied" : "");
}

StepBits run_two_steps(const PipelineCase& given) {
  World world = test::make_world(given.ranks, given.streams, given.threads);
  nn::Model model = test::tiny_gpt2(given.tied, 0.1F, given.dtype);
  const Plan plan = make_plan(model, world,
                              {.micro_batch = {.rows = kMicroBatchRows},
                               .micro_batches = kOddMicroBatches,
                               .schedule = given.schedule,
                               .stages_per_rank = given.stages_per_rank,
                               .split = given.split});
  Pipeline pipeline(world, std::move(model), plan, {.seed = 3});
  StepBits outcome;
  for (std::uint32_t step = 0; step < 2; ++step) {
    pipeline.set_step(step);
    const StepResult result =
        pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, step));
    outcome.losses.insert(outcome.losses.end(), result.micro_batch_losses.begin(),
                          result.micro_batch_losses.end());
  }
  outcome.gradients = test::gradients_of(pipeline);
  return outcome;
}

class SameBitsTest : public test::StreamsTest {};
INSTANTIATE_TEST_SUITE_P(On, SameBitsTest, ::testing::ValuesIn(test::all_streams_and_gpus()),
                         [](const auto& test) { return test.param.name; });

TEST_P(SameBitsTest, EveryPartitionAndScheduleGivesTheGradientsOfOneRank) {
  for (const Variant& variant : variants()) {
    const StepBits expected = run_two_steps({.ranks = 1,
                                             .schedule = "gpipe",
                                             .streams = test::plainest(GetParam()),
                                             .tied = variant.tied,
                                             .dtype = variant.dtype});
    ASSERT_THAT(expected.losses, SizeIs(2 * kOddMicroBatches));
    for (const std::string schedule : {"gpipe", "1f1b", "zb-1p"}) {
      for (const std::vector<int>& split :
           std::vector<std::vector<int>>{{7}, {3, 4}, {1, 6}, {1, 4, 2}, {2, 2, 2, 1}}) {
        const PipelineCase given{.ranks = static_cast<int>(split.size()),
                                 .schedule = schedule,
                                 .split = split,
                                 .streams = GetParam(),
                                 .threads = split.size() == 2 ? 2 : 1,
                                 .tied = variant.tied,
                                 .dtype = variant.dtype};
        EXPECT_TRUE(run_two_steps(given) == expected)
            << schedule << " on " << split.size() << " ranks, first stage of " << split[0] << ", "
            << variant;
      }
    }
  }
}

TEST_P(SameBitsTest, SeveralStagesARankGiveTheGradientsOfOneRank) {
  for (const Variant& variant : variants()) {
    const StepBits expected = run_two_steps({.ranks = 1,
                                             .schedule = "gpipe",
                                             .streams = test::plainest(GetParam()),
                                             .tied = variant.tied,
                                             .dtype = variant.dtype});
    for (const std::string schedule : {"interleaved", "looped-bfs", "interleaved-zb"}) {
      for (const auto& [ranks, stages] : {std::pair{1, 3}, {2, 2}, {2, 3}, {3, 2}}) {
        const PipelineCase given{.ranks = ranks,
                                 .schedule = schedule,
                                 .stages_per_rank = stages,
                                 .streams = GetParam(),
                                 .tied = variant.tied,
                                 .dtype = variant.dtype};
        EXPECT_TRUE(run_two_steps(given) == expected)
            << schedule << " on " << ranks << " ranks with " << stages << " stages each, "
            << variant;
      }
    }
  }
}

TEST_P(SameBitsTest, StagesInVPlacementGiveTheGradientsOfOneRank) {
  for (const Variant& variant : variants()) {
    const StepBits expected = run_two_steps({.ranks = 1,
                                             .schedule = "gpipe",
                                             .streams = test::plainest(GetParam()),
                                             .tied = variant.tied,
                                             .dtype = variant.dtype});
    for (const auto& [schedule, ranks] :
         {std::pair{"zb-v", 3}, {"v-half", 3}, {"v-min", 3}, {"dualpipev", 2}, {"zb-v", 1}}) {
      const PipelineCase given{.ranks = ranks,
                               .schedule = schedule,
                               .streams = GetParam(),
                               .tied = variant.tied,
                               .dtype = variant.dtype};
      EXPECT_TRUE(run_two_steps(given) == expected)
          << schedule << " on " << ranks << " ranks, " << variant;
    }
  }
}

TEST(PipelineTest, AddsUpGradientsOverSteps) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2(false, 0);
  const Plan plan = make_plan(
      model, world, {.micro_batch = {.rows = kMicroBatchRows}, .micro_batches = kOddMicroBatches});
  Pipeline pipeline(world, std::move(model), plan);
  const Batch batch = test::token_batch(kMicroBatchRows * kOddMicroBatches, 0);
  const float first_loss = pipeline.forward_backward(batch).loss;
  const auto once = test::gradients_of(pipeline);
  EXPECT_EQ(pipeline.forward_backward(batch).loss, first_loss);
  for (const auto& [name, twice] : test::gradients_of(pipeline)) {
    for (std::size_t i = 0; i < twice.size(); ++i) {
      EXPECT_NEAR(twice[i], 2 * once.at(name)[i], 1e-5) << name << " " << i;
    }
  }
}

TEST(PipelineTest, EvaluatesToTheLossOfTrainingWhereNothingIsDropped) {
  for (const int ranks : {1, 3}) {
    World world = test::make_world(ranks, {});
    nn::Model model = test::tiny_gpt2(false, 0);
    const Plan plan =
        make_plan(model, world,
                  {.micro_batch = {.rows = kMicroBatchRows}, .micro_batches = kOddMicroBatches});
    Pipeline pipeline(world, std::move(model), plan);
    const Batch batch = test::token_batch(kMicroBatchRows * kOddMicroBatches, 0);
    const auto before = test::gradients_of(pipeline);
    const float evaluated = pipeline.evaluate(batch);
    EXPECT_EQ(test::gradients_of(pipeline), before);
    EXPECT_EQ(evaluated, pipeline.forward_backward(batch).loss);
  }
}

TEST(PipelineTest, EvaluatesWithSeveralStagesARank) {
  for (const auto& [schedule, stages] : {std::pair{"interleaved", 3}, {"zb-v", 2}}) {
    World world = test::make_world(2, {});
    nn::Model model = test::tiny_gpt2(false, 0);
    const Plan plan = make_plan(model, world,
                                {.micro_batch = {.rows = kMicroBatchRows},
                                 .micro_batches = kOddMicroBatches,
                                 .schedule = schedule,
                                 .stages_per_rank = stages});
    Pipeline pipeline(world, std::move(model), plan);
    const Batch batch = test::token_batch(kMicroBatchRows * kOddMicroBatches, 0);
    EXPECT_EQ(pipeline.evaluate(batch), pipeline.forward_backward(batch).loss) << schedule;
  }
}

TEST(PipelineTest, ReturnsTheOutputsOfTheLastLayerForAnyNumberOfRows) {
  std::vector<std::vector<float>> outputs;
  for (const int ranks : {1, 2, 4}) {
    World world = test::make_world(ranks, {});
    nn::Model model = test::tiny_gpt2();
    const Plan plan =
        make_plan(model, world, {.micro_batch = {.rows = kMicroBatchRows}, .micro_batches = 2});
    Pipeline pipeline(world, std::move(model), plan);
    const std::vector<HostTensor> logits = pipeline.forward(test::token_batch(3, 0).inputs);
    ASSERT_THAT(logits, SizeIs(1));
    EXPECT_EQ(logits[0].spec(), (TensorSpec{{3, test::kContext, test::kVocabulary}, DType::f32}));
    outputs.emplace_back(logits[0].as<float>().begin(), logits[0].as<float>().end());
  }
  EXPECT_EQ(outputs[0], outputs[1]);
  EXPECT_EQ(outputs[0], outputs[2]);
}

TEST(PipelineTest, ReadsBackWhatWasWrittenAndHashesIt) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2(true);
  const Plan plan = make_plan(model, world, {});
  Pipeline pipeline(world, std::move(model), plan);
  const std::uint64_t hash = pipeline.weights_hash();
  const auto entries = pipeline.parameters().entries();
  const std::vector<float> before = pipeline.read_back(0);
  std::vector<float> values = before;
  values[3] += 1;
  pipeline.write(0, values);
  EXPECT_EQ(pipeline.read_back(0), values);
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].tied_to == 0) {
      EXPECT_EQ(entries[i].rank, 1);
      EXPECT_EQ(pipeline.read_back(i), values);
    }
  }
  EXPECT_NE(pipeline.weights_hash(), hash);
  pipeline.write(0, before);
  EXPECT_EQ(pipeline.weights_hash(), hash);
  EXPECT_THROW(pipeline.write(0, std::vector<float>(2)), InvalidArgument);
}

TEST(PipelineTest, MeasuresEveryActionOnceAndInOrder) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2();
  const Plan plan =
      make_plan(model, world, {.micro_batch = {.rows = kMicroBatchRows}, .micro_batches = 3});
  Pipeline pipeline(world, std::move(model), plan);
  pipeline.forward_backward(test::token_batch(kMicroBatchRows * 3, 0));
  const Timeline& timeline = pipeline.timeline();
  for (int rank = 0; rank < 2; ++rank) {
    std::vector<schedule::Action> actions;
    std::int64_t previous_end = 0;
    for (const TimelineSpan& span : timeline.spans) {
      if (span.rank == rank && span.stream == 0) {
        EXPECT_LE(previous_end, span.begin_ns);
        EXPECT_LE(span.begin_ns, span.end_ns);
        previous_end = span.end_ns;
        actions.push_back(span.action);
      }
    }
    EXPECT_EQ(actions, plan.schedule.actions(rank));
  }
  const auto sends =
      std::ranges::count_if(timeline.spans, [](const auto& span) { return span.stream != 0; });
  EXPECT_EQ(sends, 4 * 3);  // both ends of 3 activations and 3 gradients
  EXPECT_GT(timeline.makespan_ns(), 0);
}

TEST(PipelineTest, RefusesBatchesAndPlansThatDoNotFit) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2();
  const Plan plan = make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = 2});
  World other = test::make_world(3, {});
  EXPECT_THAT(
      [&] { Pipeline(other, test::tiny_gpt2(), plan); },
      ThrowsMessage<InvalidArgument>(HasSubstr("the plan is for 2 ranks, the world has 3")));
  Pipeline pipeline(world, std::move(model), plan);
  EXPECT_THAT([&] { pipeline.forward_backward(test::token_batch(3, 0)); },
              ThrowsMessage<InvalidArgument>(HasSubstr(
                  "forward_backward: inputs: tensor 0 is i32 [3, 7], expected i32 [4, 7]")));
  EXPECT_THAT([&] { pipeline.evaluate(test::token_batch(3, 0)); },
              ThrowsMessage<InvalidArgument>(HasSubstr("a positive multiple of the 2 rows")));
  EXPECT_THAT([&] { pipeline.forward({}); },
              ThrowsMessage<InvalidArgument>(HasSubstr("0 tensors, expected 1")));
  pipeline.forward_backward(test::token_batch(4, 0));  // none of this has broken it
}

}  // namespace
}  // namespace lockflight
