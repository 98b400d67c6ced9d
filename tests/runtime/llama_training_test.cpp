// That Llama trains, and to the same bits however it is cut.

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/nn/llama.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using test::kMicroBatchRows;
using test::TrainedBits;

constexpr std::uint32_t kLlamaSteps = 40;

struct LlamaCase {
  int ranks = 1;
  std::string schedule = "1f1b";
  std::vector<int> split = {};
  int threads = 1;
};

TrainedBits train_llama(const LlamaCase& given) {
  World world = test::make_world(given.ranks, {}, given.threads);
  nn::Model model = nn::llama({.vocabulary = test::kVocabulary,
                               .context = test::kContext,
                               .layers = 2,
                               .heads = 4,
                               .key_value_heads = 2,
                               .width = 16,
                               .hidden = 40});
  const Plan plan = make_plan(model, world,
                              {.micro_batch = {.rows = kMicroBatchRows},
                               .micro_batches = kMicroBatches,
                               .schedule = given.schedule,
                               .split = given.split});
  Pipeline pipeline(world, std::move(model), plan, {.seed = 3});
  train::AdamW optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1});
  const Batch batch = test::token_batch(kMicroBatchRows * kMicroBatches, 0);
  TrainedBits outcome;
  for (std::uint32_t step = 0; step < kLlamaSteps; ++step) {
    outcome.losses.push_back(pipeline.forward_backward(batch).loss);
    optimizer.step();
  }
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

TEST(LlamaTrainingTest, LearnsABatchByHeartToTheSameBitsOnAnyRanks) {
  const TrainedBits expected = train_llama({.schedule = "gpipe"});
  EXPECT_NEAR(expected.losses.front(), std::log(test::kVocabulary), 0.02);
  EXPECT_LT(expected.losses.back(), 0.5F * expected.losses.front());
  for (const LlamaCase& given :
       std::vector<LlamaCase>{{.ranks = 1, .threads = 2},
                              {.ranks = 2},
                              {.ranks = 2, .schedule = "gpipe", .split = {2, 5}},
                              {.ranks = 2, .split = {6, 1}, .threads = 2},
                              {.ranks = 3, .split = {1, 3, 3}}}) {
    EXPECT_TRUE(train_llama(given) == expected)
        << given.ranks << " ranks, " << given.schedule << ", " << given.threads << " threads";
  }
}

}  // namespace
}  // namespace lockflight
