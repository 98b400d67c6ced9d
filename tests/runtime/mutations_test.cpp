// What the prover accepts runs to its end with the right bits, whatever was done to the program.

#include "plan/mutations.h"

#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/nn/mlp.h"
#include "lockflight/plan/prove.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/train/optimizer.h"
#include "plan/memory.h"
#include "runtime/test_models.h"
#include "sanitized.h"

namespace lockflight {
namespace {

using test::TrainedBits;

constexpr std::uint64_t kMutations = test::kSanitized ? 2'000 : 10'000;
constexpr int kRunsOfAWorld = 16;  // with ThreadSanitizer a new one takes a quarter of a second
constexpr int kMutantRanks = 3;
constexpr int kMutantMicroBatches = 3;

nn::Model model() { return nn::mlp({.inputs = 3, .hidden = 4, .outputs = 2, .layers = 3}); }

Batch batch(std::uint32_t step) {
  Random random({.seed = 9, .step = step});
  Batch batch{.inputs = {HostTensor({{kMutantMicroBatches, 3}})},
              .targets = {HostTensor({{kMutantMicroBatches, 2}})}};
  for (HostTensor* tensor : {&batch.inputs[0], &batch.targets[0]}) {
    for (float& value : tensor->as<float>()) {
      value = static_cast<float>(random.next_normal());
    }
  }
  return batch;
}

TrainedBits train_as_planned(World& world, const Plan& plan) {
  Pipeline pipeline(world, model(), plan);
  train::Sgd optimizer(pipeline.parameters(), {.learning_rate = 0.1F, .momentum = 0.9F});
  TrainedBits outcome;
  for (std::uint32_t step = 0; step < 2; ++step) {
    outcome.losses.push_back(pipeline.forward_backward(batch(step)).loss);
    optimizer.step();
  }
  outcome.weights = pipeline.weights_hash();
  return outcome;
}

TEST(MutationsTest, WhatIsProvedRunsUnderChaosWithTheRightBits) {
  int accepted = 0;
  const auto pairs = schedule::read_csv(
      "0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n"
      "1F0,(1F1;1B0)OVERLAP_F_B,(1F2;1B1)OVERLAP_F_B,1B2\n2F0,2B0,2F1,2B1,2F2,2B2\n",
      "pairs");
  for (const char* schedule : {"1f1b", "gpipe", "pairs"}) {
    nn::Model planned = model();
    auto world = std::make_unique<World>(test::make_world(kMutantRanks, {}));
    PlanOptions options{
        .micro_batches = kMutantMicroBatches, .schedule = schedule, .optimizer_states = 1};
    if (schedule == pairs.name) {
      options.own_schedule = pairs;
    }
    const Plan plan = make_plan(planned, *world, options);
    const TrainedBits expected = train_as_planned(*world, plan);
    const std::string listing = to_string(plan.program);
    for (std::uint64_t seed = 0; seed < kMutations / 3; ++seed) {
      plan::Mutation mutation = plan::Mutator(plan.program, seed).mutate();
      // Of those that are refused, tests/plan/prove_mutations_test.cpp says that the place is
      // named; others changed a number that their instruction does not use.
      if (!plan::prove(mutation.program).proved() || to_string(mutation.program) == listing) {
        continue;
      }
      Plan mutant = plan;
      mutant.program = std::move(mutation.program);
      mutant.memory =
          plan::memory_of(planned, mutant, options);  // it may keep a boundary for longer
      if (accepted % kRunsOfAWorld == 0) {
        const bool threads = accepted / kRunsOfAWorld % 2 == 0;
        world = std::make_unique<World>(test::make_world(
            kMutantRanks, {"chaos", threads ? StreamMode::threads : StreamMode::worker, seed}));
      }
      EXPECT_EQ(train_as_planned(*world, mutant), expected)
          << schedule << ", seed " << seed << ", " << mutation.what;
      ++accepted;
    }
  }
  EXPECT_GT(accepted, 50);
  std::cout << accepted << " mutants of " << kMutations << " were proved and ran\n";
}

}  // namespace
}  // namespace lockflight
