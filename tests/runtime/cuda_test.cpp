// Training on GPUs: against the CPU, in any order that streams allow, and when calls fail.

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"
#include "sanitized.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using test::Streams;

constexpr int kGpus = 2;
constexpr int kGpuMicroBatches = 3;

std::vector<Streams> gpus() {
  std::vector<Streams> all = test::all_streams_and_gpus();
  std::erase_if(all, [](const Streams& streams) { return streams.device != DeviceKind::cuda; });
  return all;
}

class CudaTrainingTest : public test::StreamsTest {};
INSTANTIATE_TEST_SUITE_P(On, CudaTrainingTest, ::testing::ValuesIn(gpus()),
                         [](const auto& test) { return test.param.name; });

// Pipeline and optimizer of a small GPT.
struct Gpt2Training {
  Gpt2Training(const Streams& streams, int ranks, DType dtype = DType::f32)
      : world(test::make_world(ranks, streams)),
        pipeline(make(world, dtype)),
        optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1.0F}) {}

  static Pipeline make(World& world, DType dtype) {
    nn::Model model = test::tiny_gpt2(true, 0.1F, dtype);
    const Plan plan =
        make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = kGpuMicroBatches});
    return {world, std::move(model), plan, {.seed = 3}};
  }

  std::vector<float> step() {
    const auto result =
        pipeline.forward_backward(test::token_batch(2 * kGpuMicroBatches, pipeline.step()));
    optimizer.step();
    return result.micro_batch_losses;
  }

  std::vector<float> steps(int count) {
    std::vector<float> losses;
    for (int i = 0; i < count; ++i) {
      const std::vector<float> step_losses = step();
      losses.insert(losses.end(), step_losses.begin(), step_losses.end());
    }
    return losses;
  }

  World world;
  Pipeline pipeline;
  train::AdamW optimizer;
};

TEST_P(CudaTrainingTest, LosesWhatTheCpuLoses) {
  const std::vector<float> expected = Gpt2Training({}, 1).steps(3);
  const std::vector<float> losses = Gpt2Training(GetParam(), kGpus).steps(3);
  ASSERT_EQ(losses.size(), expected.size());
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], expected[i], 1e-5 * std::abs(expected[i])) << i;
  }
}

// Both round to bf16 at the same places, but sum up in another order, which now and then turns a
// last bit of 8.
TEST_P(CudaTrainingTest, LosesInBf16WhatTheCpuLosesInBf16) {
  const std::vector<float> expected = Gpt2Training({}, 1, DType::bf16).steps(3);
  const std::vector<float> losses = Gpt2Training(GetParam(), kGpus, DType::bf16).steps(3);
  const std::vector<float> wide = Gpt2Training({}, 1).steps(3);
  ASSERT_EQ(losses.size(), expected.size());
  float distance = 0;
  float distance_of_f32 = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    EXPECT_NEAR(losses[i], expected[i], 1e-3 * std::abs(expected[i])) << i;
    distance += std::abs(losses[i] - expected[i]);
    distance_of_f32 += std::abs(wide[i] - expected[i]);
  }
  EXPECT_LT(distance, distance_of_f32);
}

// The checker of the virtual GPU would report whatever only one order makes right.
TEST_P(CudaTrainingTest, TheOrderOfReadyOperationsChangesNoBit) {
  if (!virtual_gpu::present()) {
    GTEST_SKIP() << "only the virtual GPU can choose an order";
  }
  Gpt2Training first(test::plainest(GetParam()), 1);
  const std::vector<float> losses = first.steps(2);
  const std::uint64_t weights = first.pipeline.weights_hash();
  std::vector<std::string> orders = {"fifo", "lifo"};
  for (int seed = 1; seed <= (test::kSanitized ? 4 : 20); ++seed) {
    orders.push_back(std::to_string(seed));
  }
  for (const std::string& order : orders) {
    virtual_gpu::set_order(order);
    Gpt2Training training(GetParam(), 3);
    EXPECT_EQ(training.steps(2), losses) << order;
    EXPECT_EQ(training.pipeline.weights_hash(), weights) << order;
  }
}

}  // namespace
}  // namespace lockflight
