// Training in bf16: close to f32, and to the same bits however it is cut.

#include <cmath>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/error.h"
#include "lockflight/nn/llama.h"
#include "lockflight/nn/mlp.h"
#include "lockflight/plan/profile.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using test::kMicroBatchRows;
using test::Streams;
using test::TrainedBits;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

// On a virtual GPU a step takes as long as dozens do on a CPU.
std::uint32_t steps_on(DeviceKind device) { return device == DeviceKind::cpu ? 40 : 4; }

struct Bf16Case {
  int ranks = 1;
  std::string schedule = "gpipe";
  int stages_per_rank = 1;
  std::vector<int> split = {};
  int threads = 1;
  Streams streams = {};
};

struct Subject {
  std::function<nn::Model(DType)> make;
  std::function<Batch(DType)> batch;
};

Batch tokens(DType /*activations*/) {
  return test::token_batch(kMicroBatchRows * kMicroBatches, 0);
}

// x and the products of its neighbours.
Batch numbers(DType dtype) {
  constexpr std::int64_t kWidth = 8;
  const TensorSpec spec{{kMicroBatchRows * kMicroBatches, kWidth}, dtype};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  Random random({.seed = 11});
  std::vector<float> x(static_cast<std::size_t>(spec.elements()));
  for (float& value : x) {
    value = static_cast<float>(BFloat16(static_cast<float>(random.next_normal())));
  }
  for (std::size_t i = 0; i < x.size(); ++i) {
    const float target = 0.5F * x[i] * x[(i + 1) % x.size()];
    if (dtype == DType::f32) {
      batch.inputs[0].as<float>()[i] = x[i];
      batch.targets[0].as<float>()[i] = target;
    } else {
      batch.inputs[0].as<BFloat16>()[i] = BFloat16(x[i]);
      batch.targets[0].as<BFloat16>()[i] = BFloat16(target);
    }
  }
  return batch;
}

Subject gpt2() {
  return {.make = [](DType dtype) { return test::tiny_gpt2(true, 0.1F, dtype); }, .batch = tokens};
}

Subject llama() {
  return {.make =
              [](DType dtype) {
                return nn::llama({.vocabulary = test::kVocabulary,
                                  .context = test::kContext,
                                  .layers = 2,
                                  .heads = 4,
                                  .key_value_heads = 2,
                                  .width = 16,
                                  .hidden = 40,
                                  .dtype = dtype});
              },
          .batch = tokens};
}

Subject mlp() {
  return {
      .make =
          [](DType dtype) {
            return nn::mlp({.inputs = 8, .hidden = 32, .outputs = 8, .layers = 6, .dtype = dtype});
          },
      .batch = numbers};
}

// That every working copy is what its parameter rounds to.
void expect_copies_up_to_date(Pipeline& pipeline) {
  const auto entries = pipeline.parameters().entries();
  int copies = 0;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const nn::Parameter& parameter = *entries[i].parameter;
    if (parameter.compute().dtype() != DType::bf16) {
      continue;
    }
    ++copies;
    std::vector<BFloat16> copy(static_cast<std::size_t>(parameter.elements()));
    pipeline.parameters().on_each_rank([&](RankContext& context) {
      if (context.rank == entries[i].rank) {
        context.stream.download(copy.data(), parameter.compute());
      }
    });
    std::vector<BFloat16> rounded;
    for (const float value : pipeline.read_back(i)) {
      rounded.emplace_back(value);
    }
    EXPECT_EQ(copy, rounded) << parameter.name();
  }
  EXPECT_GT(copies, 0);
}

Plan plan_of(nn::Model& model, World& world, const Bf16Case& given) {
  return make_plan(model, world,
                   {.micro_batch = {.rows = kMicroBatchRows},
                    .micro_batches = kMicroBatches,
                    .schedule = given.schedule,
                    .stages_per_rank = given.stages_per_rank,
                    .split = given.split});
}

TrainedBits train(const Subject& subject, DType dtype, const Bf16Case& given) {
  World world = test::make_world(given.ranks, given.streams, given.threads);
  nn::Model model = subject.make(dtype);
  const Plan plan = plan_of(model, world, given);
  Pipeline pipeline(world, std::move(model), plan, {.seed = 3});
  train::AdamW optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1});
  const Batch batch = subject.batch(dtype);
  TrainedBits outcome;
  for (std::uint32_t step = 0; step < steps_on(given.streams.device); ++step) {
    outcome.losses.push_back(pipeline.forward_backward(batch).loss);
    optimizer.step();
  }
  if (dtype == DType::bf16) {
    expect_copies_up_to_date(pipeline);
  }
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

class Bf16TrainingTest : public test::StreamsTest {
 protected:
  // Curves of a few dozen steps stay as near to each other as their roundings are small.
  void expect_close_to_f32_and_the_same_bits(const Subject& subject,
                                             const std::vector<Bf16Case>& cases) {
    const Streams plainest = test::plainest(GetParam());
    const TrainedBits wide = train(subject, DType::f32, {.streams = plainest});
    const TrainedBits expected = train(subject, DType::bf16, {.streams = plainest});
    EXPECT_NE(expected.losses, wide.losses);
    EXPECT_NEAR(expected.losses.front(), wide.losses.front(), 0.01 * wide.losses.front());
    EXPECT_LT(wide.losses.back(),
              (plainest.device == DeviceKind::cpu ? 0.8F : 1.0F) * wide.losses.front());
    EXPECT_NEAR(expected.losses.back(), wide.losses.back(), 0.05 * wide.losses.front());
    for (Bf16Case given : cases) {
      given.streams = GetParam();
      EXPECT_TRUE(train(subject, DType::bf16, given) == expected)
          << given.schedule << " on " << given.ranks << " ranks, " << given.threads << " threads";
    }
  }
};

// Random delays are for the tests of single steps.
std::vector<Streams> without_delays() {
  std::vector<Streams> streams = test::all_streams_and_gpus();
  std::erase_if(streams, [](const Streams& kind) { return kind.chaos_seed.has_value(); });
  return streams;
}

INSTANTIATE_TEST_SUITE_P(On, Bf16TrainingTest, ::testing::ValuesIn(without_delays()),
                         [](const auto& test) { return test.param.name; });

TEST_P(Bf16TrainingTest, Gpt2) {
  expect_close_to_f32_and_the_same_bits(
      gpt2(), {{.ranks = 1, .schedule = "1f1b", .threads = 2},
               {.ranks = 2, .schedule = "1f1b", .split = {5, 2}},
               {.ranks = 3, .schedule = "gpipe", .threads = 2},
               {.ranks = 2, .schedule = "interleaved", .stages_per_rank = 2}});
}

TEST_P(Bf16TrainingTest, Llama) {
  expect_close_to_f32_and_the_same_bits(
      llama(), {{.ranks = 2, .schedule = "1f1b", .threads = 2},
                {.ranks = 3, .schedule = "1f1b", .split = {1, 3, 3}},
                {.ranks = 2, .schedule = "looped-bfs", .stages_per_rank = 3}});
}

TEST_P(Bf16TrainingTest, Perceptron) {
  expect_close_to_f32_and_the_same_bits(
      mlp(), {{.ranks = 2, .schedule = "1f1b"}, {.ranks = 3, .schedule = "gpipe", .threads = 2}});
}

TEST(Bf16PipelineTest, CopiesFollowWhatIsWrittenAndWhatIsNotUpdated) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2(true, 0.1F, DType::bf16);
  const Plan plan = plan_of(model, world, {});
  Pipeline pipeline(world, std::move(model), plan);
  expect_copies_up_to_date(pipeline);
  for (std::size_t i = 0; i < pipeline.parameters().entries().size(); ++i) {
    std::vector<float> values = pipeline.read_back(i);
    for (float& value : values) {
      value += 0.01F;
    }
    pipeline.write(i, values);  // of the tied pair, the first sets both
  }
  expect_copies_up_to_date(pipeline);
  // A gradient that is no number: nothing is updated.
  train::Sgd optimizer(pipeline.parameters());
  std::vector<float> values = pipeline.read_back(0);
  values[0] = NAN;
  pipeline.write(0, values);
  pipeline.forward_backward(tokens(DType::bf16));
  EXPECT_THROW(optimizer.step(), Error);
  values[0] = 0;
  pipeline.write(0, values);
  expect_copies_up_to_date(pipeline);
}

TEST(Bf16PipelineTest, LogitsAreOfTheModelsTypeAndCloseToThoseOfF32) {
  std::vector<std::vector<float>> logits;
  for (const DType dtype : {DType::f32, DType::bf16}) {
    World world = test::make_world(2, {});
    nn::Model model = test::tiny_gpt2(false, 0.0F, dtype);
    const Plan plan = plan_of(model, world, {});
    Pipeline pipeline(world, std::move(model), plan);
    const std::vector<HostTensor> outputs = pipeline.forward(test::token_batch(3, 0).inputs);
    ASSERT_EQ(outputs.at(0).spec(), (TensorSpec{{3, test::kContext, test::kVocabulary}, dtype}));
    std::vector<float>& values = logits.emplace_back();
    for (std::int64_t i = 0; i < outputs[0].spec().elements(); ++i) {
      values.push_back(dtype == DType::f32 ? outputs[0].as<float>()[i]
                                           : static_cast<float>(outputs[0].as<BFloat16>()[i]));
    }
    EXPECT_EQ(pipeline.evaluate(tokens(dtype)), pipeline.forward_backward(tokens(dtype)).loss);
  }
  double largest = 0;
  for (const float logit : logits[0]) {
    largest = std::max(largest, std::abs(static_cast<double>(logit)));
  }
  for (std::size_t i = 0; i < logits[0].size(); ++i) {
    EXPECT_NEAR(logits[1][i], logits[0][i], 0.05 * largest);
  }
}

TEST(Bf16PipelineTest, APlanOrProfileOfTheOtherTypeIsRefused) {
  World world = test::make_world(2, {});
  nn::Model wide = test::tiny_gpt2(false, 0.1F, DType::f32);
  nn::Model narrow = test::tiny_gpt2(false, 0.1F, DType::bf16);
  const Plan of_wide = plan_of(wide, world, {});
  const Plan of_narrow = plan_of(narrow, world, {});
  EXPECT_THAT([&] { Pipeline(world, test::tiny_gpt2(false, 0.1F, DType::bf16), of_wide); },
              ThrowsMessage<PlanError>(HasSubstr("parameters take")));
  EXPECT_THAT([&] { Pipeline(world, test::tiny_gpt2(false, 0.1F, DType::f32), of_narrow); },
              ThrowsMessage<PlanError>(HasSubstr("step takes")));

  plan::Profile profile{.device = "some", .measured = true, .rows = kMicroBatchRows, .layers = {}};
  for (const plan::LayerProfile& layer : plan::dry_run(wide, kMicroBatchRows)) {
    profile.layers.push_back(plan::cost_of(layer));
  }
  EXPECT_NO_THROW(plan::check_fits(profile, wide, kMicroBatchRows, "p.json"));
  EXPECT_THAT([&] { plan::check_fits(profile, narrow, kMicroBatchRows, "p.json"); },
              ThrowsMessage<DataError>(HasSubstr("computes in the same type")));
}

}  // namespace
}  // namespace lockflight
