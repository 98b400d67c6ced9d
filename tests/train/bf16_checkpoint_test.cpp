// Checkpoints of runs in bf16 hold what runs in f32 hold: weights and states in f32.

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/train/checkpoint.h"
#include "lockflight/train/safetensors.h"
#include "runtime/test_models.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

constexpr int kMicroBatches = 3;

// A run that can be stopped, saved and taken up again.
struct Bf16Run {
  Bf16Run(DType dtype, int ranks)
      : world(test::make_world(ranks, {})),
        pipeline(make(dtype)),
        optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1}) {}

  Pipeline make(DType dtype) {
    nn::Model model = test::tiny_gpt2(true, 0.1F, dtype);
    const Plan plan =
        make_plan(model, world, {.micro_batch = {.rows = 2}, .micro_batches = kMicroBatches});
    return {world, std::move(model), plan, {.seed = 7}};
  }

  std::vector<float> train(int steps) {
    std::vector<float> losses;
    for (int i = 0; i < steps; ++i) {
      const Batch batch = test::token_batch(2 * kMicroBatches, pipeline.step());
      losses.push_back(pipeline.forward_backward(batch).loss);
      optimizer.step();
    }
    return losses;
  }

  float evaluate() { return pipeline.evaluate(test::token_batch(2, 99)); }

  // Everything a resume restores.
  std::vector<std::vector<float>> content() const {
    std::vector<std::vector<float>> all;
    for (std::size_t i = 0; i < pipeline.parameters().entries().size(); ++i) {
      all.push_back(pipeline.read_back(i));
    }
    for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
      all.push_back(optimizer.read_back(i));
    }
    return all;
  }

  World world;
  Pipeline pipeline;
  AdamW optimizer;
};

TEST(Bf16CheckpointTest, AResumeOnAnotherNumberOfRanksGivesTheBitsOfTheWholeRun) {
  Bf16Run whole(DType::bf16, 1);
  whole.train(6);
  for (const auto& [ranks, other] : {std::pair(1, 3), {3, 2}}) {
    const ScratchFolder folder;
    Bf16Run first(DType::bf16, ranks);
    first.train(3);
    save_checkpoint(folder.path(), first.pipeline, first.optimizer, {});
    Bf16Run second(DType::bf16, other);
    load_checkpoint(folder.path(), second.pipeline, second.optimizer);
    EXPECT_EQ(second.content(), first.content());
    EXPECT_EQ(second.evaluate(), first.evaluate());
    second.train(3);
    EXPECT_EQ(second.content(), whole.content());
  }
}

TEST(Bf16CheckpointTest, HoldsWeightsAndStatesInF32) {
  const ScratchFolder folder;
  Bf16Run run(DType::bf16, 2);
  run.train(1);
  const auto checkpoint = save_checkpoint(folder.path(), run.pipeline, run.optimizer, {});
  for (const char* name : {"model.safetensors", "optimizer.safetensors"}) {
    const SafetensorsFile file(checkpoint / name);
    for (const SafetensorsEntry& entry : file.entries()) {
      EXPECT_EQ(entry.spec.dtype, DType::f32) << entry.name;
    }
  }
}

TEST(Bf16CheckpointTest, LoadsIntoTheOtherTypeWithTheSameWeightsAndGoesOnThere) {
  for (const DType dtype : {DType::f32, DType::bf16}) {
    const ScratchFolder folder;
    Bf16Run first(dtype, 2);
    first.train(3);
    save_checkpoint(folder.path(), first.pipeline, first.optimizer, {});
    Bf16Run second(dtype == DType::f32 ? DType::bf16 : DType::f32, 3);
    load_checkpoint(folder.path(), second.pipeline, second.optimizer);
    EXPECT_EQ(second.content(), first.content());
    EXPECT_NE(second.evaluate(), first.evaluate());
    EXPECT_NEAR(second.evaluate(), first.evaluate(), 0.01 * first.evaluate());
    const std::vector<float> losses = second.train(3);
    const std::vector<float> expected = first.train(3);
    for (std::size_t i = 0; i < losses.size(); ++i) {
      EXPECT_NEAR(losses[i], expected[i], 0.02 * expected[i]);
    }
  }
}

}  // namespace
}  // namespace lockflight::train
