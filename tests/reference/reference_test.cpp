// Trains small GPTs and compares with what PyTorch made of the same weights and tokens: see
// README.md.

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <random>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/learning_rate.h"
#include "lockflight/train/optimizer.h"
#include "lockflight/train/safetensors.h"
#include "lockflight/train/safetensors_writer.h"

namespace lockflight {
namespace {

using nlohmann::json;

// The largest relative difference that is all right.
constexpr double kTolerance = 1e-4;

constexpr int kSteps = 20;
constexpr std::int64_t kRowsPerMicroBatch = 2;
constexpr int kMicroBatches = 4;
constexpr std::int64_t kRows = kRowsPerMicroBatch * kMicroBatches;

// Epsilon, decay and rates are so large that a wrong one shows within a few steps.
constexpr train::LearningRate kRate{.shape = train::LearningRate::Shape::cosine,
                                    .peak = 1e-2,
                                    .floor = 1e-3,
                                    .warm_up_steps = 5,
                                    .steps = kSteps};
constexpr train::AdamWOptions kOptimizer{
    .beta1 = 0.9F, .beta2 = 0.95F, .epsilon = 1e-4F, .weight_decay = 0.5F, .clip_norm = 1.0F};

nn::Gpt2Config gpt2(bool tied) {
  return {.vocabulary = 64, .context = 24, .layers = 2, .heads = 4, .width = 32, .tied = tied};
}

// All that PyTorch needs to know beside weights and tokens.
json settings(bool tied) {
  const nn::Gpt2Config model = gpt2(tied);
  return {{"blocks", model.layers},
          {"heads", model.heads},
          {"tied", model.tied},
          {"steps", kRate.steps},
          {"peak", kRate.peak},
          {"floor", kRate.floor},
          {"warm_up_steps", kRate.warm_up_steps},
          {"beta1", kOptimizer.beta1},
          {"beta2", kOptimizer.beta2},
          {"epsilon", kOptimizer.epsilon},
          {"weight_decay", kOptimizer.weight_decay},
          {"clip_norm", kOptimizer.clip_norm}};
}

// [steps, rows, T + 1].  Three times in four the token before decides; the fourth is drawn.
HostTensor all_tokens() {
  const nn::Gpt2Config model = gpt2(false);
  const auto vocabulary = static_cast<std::uint32_t>(model.vocabulary);
  HostTensor tokens({{kSteps, kRows, model.context + 1}, DType::i32});
  std::mt19937 random(1);  // the standard fixes its numbers
  std::uint32_t token = 0;
  for (std::int32_t& place : tokens.as<std::int32_t>()) {
    const bool drawn = random() % 4 == 0;
    token = (drawn ? static_cast<std::uint32_t>(random()) : 3 * token + 1) % vocabulary;
    place = static_cast<std::int32_t>(token);
  }
  return tokens;
}

// Inputs are the first T tokens of each row, targets the last T.
Batch batch_of(const HostTensor& tokens, int step) {
  const std::int64_t context = tokens.spec().shape[2] - 1;
  const TensorSpec spec{{kRows, context}, DType::i32};
  Batch batch{.inputs = {HostTensor(spec)}, .targets = {HostTensor(spec)}};
  for (std::int64_t row = 0; row < kRows; ++row) {
    const std::int32_t* from =
        tokens.as<std::int32_t>().data() + (step * kRows + row) * (context + 1);
    const std::size_t bytes = static_cast<std::size_t>(context) * sizeof(std::int32_t);
    std::memcpy(batch.inputs[0].as<std::int32_t>().data() + row * context, from, bytes);
    std::memcpy(batch.targets[0].as<std::int32_t>().data() + row * context, from + 1, bytes);
  }
  return batch;
}

// Weights of the blocks start tenfold: with those that gpt2 draws, neither the scale of attention
// nor the form of GELU would show in 20 steps.
void enlarge_weights(Pipeline& pipeline) {
  const auto entries = pipeline.parameters().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const nn::Parameter& parameter = *entries[i].parameter;
    if (parameter.decays() && parameter.name().starts_with("blocks.")) {
      std::vector<float> values = pipeline.read_back(i);
      for (float& value : values) {
        value *= 10;
      }
      pipeline.write(i, values);
    }
  }
}

Pipeline make_pipeline(World& world, bool tied) {
  nn::Model model = nn::gpt2(gpt2(tied));
  const Plan plan = make_plan(
      model, world, {.micro_batch = {.rows = kRowsPerMicroBatch}, .micro_batches = kMicroBatches});
  Pipeline pipeline(world, std::move(model), plan, {.seed = 1});
  enlarge_weights(pipeline);
  return pipeline;
}

struct Curves {
  std::vector<double> losses;
  std::vector<double> gradient_norms;
};

Curves train_gpt(bool tied, int ranks) {
  World world = World::threads({.ranks = ranks});
  Pipeline pipeline = make_pipeline(world, tied);
  train::AdamW optimizer(pipeline.parameters(), kOptimizer);
  const HostTensor tokens = all_tokens();
  Curves curves;
  for (int step = 0; step < kSteps; ++step) {
    curves.losses.push_back(pipeline.forward_backward(batch_of(tokens, step)).loss);
    optimizer.set_learning_rate(kRate.at(step));
    curves.gradient_norms.push_back(optimizer.step());
  }
  return curves;
}

const char* name_of(bool tied) { return tied ? "tied" : "untied"; }

// What PyTorch starts from: the weights by name, a tied pair once, and the tokens.
void export_start(const std::filesystem::path& folder, bool tied) {
  World world = World::threads({.ranks = 1});
  Pipeline pipeline = make_pipeline(world, tied);
  const auto entries = pipeline.parameters().entries();
  const HostTensor tokens = all_tokens();
  std::vector<train::NamedSpec> specs;
  for (const ParameterSet::Entry& entry : entries) {
    if (entry.tied_to < 0) {
      specs.push_back({.name = entry.parameter->name(), .spec = entry.parameter->spec()});
    }
  }
  specs.push_back({.name = "tokens", .spec = tokens.spec()});
  train::SafetensorsWriter writer(folder / (std::string(name_of(tied)) + ".safetensors"), specs,
                                  {{"settings", settings(tied).dump()}});
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].tied_to < 0) {
      const std::vector<float> values = pipeline.read_back(i);
      writer.write(std::as_bytes(std::span(values)));
    }
  }
  writer.write({tokens.data(), tokens.spec().bytes()});
  writer.finish();
}

json record_of(bool tied) {
  std::ifstream file(LOCKFLIGHT_REFERENCE_RECORD);
  return json::parse(file).at(name_of(tied));
}

void expect_follows(const std::vector<double>& actual, const std::vector<double>& expected,
                    std::string_view what) {
  ASSERT_EQ(actual.size(), expected.size());
  for (std::size_t step = 0; step < actual.size(); ++step) {
    EXPECT_NEAR(actual[step], expected[step], kTolerance * expected[step])
        << what << " of step " << step;
  }
}

class ReferenceTest : public testing::TestWithParam<bool> {};

INSTANTIATE_TEST_SUITE_P(Embedding, ReferenceTest, testing::Bool(),
                         [](const auto& tied) { return std::string(name_of(tied.param)); });

TEST_P(ReferenceTest, TheRecordIsOfTheseSettings) {
  EXPECT_EQ(record_of(GetParam()).at("settings"), settings(GetParam()))
      << "the settings have changed since: make the record again, as README.md says";
}

TEST_P(ReferenceTest, SomeStepsOfTheRecordAreClippedAndSomeAreNot) {
  const json record = record_of(GetParam());
  int clipped = 0;
  for (const double norm : record.at("gradient_norms")) {
    clipped += norm > static_cast<double>(kOptimizer.clip_norm) ? 1 : 0;
  }
  EXPECT_GE(clipped, 3);
  EXPECT_LE(clipped, kSteps - 3);
}

TEST_P(ReferenceTest, TrainingFollowsPyTorchOnOneRankAndOnTwo) {
  const json record = record_of(GetParam());
  for (const int ranks : {1, 2}) {
    SCOPED_TRACE(std::to_string(ranks) + " ranks");
    const Curves curves = train_gpt(GetParam(), ranks);
    expect_follows(curves.losses, record.at("losses"), "loss");
    expect_follows(curves.gradient_norms, record.at("gradient_norms"), "gradient norm");
  }
}

}  // namespace
}  // namespace lockflight

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  if (argc == 1) {
    return RUN_ALL_TESTS();
  }
  if (argc != 3 || std::string_view(argv[1]) != "--export") {
    std::cerr << "usage: reference_test [--export FOLDER]\n";
    return 64;
  }
  for (const bool tied : {false, true}) {
    lockflight::export_start(argv[2], tied);
  }
  return 0;
}
