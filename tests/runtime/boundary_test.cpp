// What crosses from stage to stage: several tensors at once, and never before the wait that a
// program has for it.

#include <algorithm>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/mean_squared_error.h"
#include "nn/two_tensor_model.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using test::Streams;

constexpr std::int64_t kBoundaryWidth = 64;
constexpr std::int64_t kBoundaryRows = 3;

// Two tensors go through every boundary but the one behind the last Mix.
nn::Model two_tensor_model() {
  const TensorSpec row{{kBoundaryWidth}, DType::f32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<nn::MeanSquaredError>());
  model.add("split", std::make_unique<nn::two_tensors::Split>(kBoundaryWidth));
  model.add("mix0", std::make_unique<nn::two_tensors::Mix>(kBoundaryWidth));
  model.add("mix1", std::make_unique<nn::two_tensors::Mix>(kBoundaryWidth));
  model.add("join", std::make_unique<nn::two_tensors::Join>(kBoundaryWidth));
  return model;
}

Batch random_rows(std::uint32_t step) {
  const HostTensor rows({{kBoundaryRows * kMicroBatches, kBoundaryWidth}, DType::f32});
  Batch batch{.inputs = {rows}, .targets = {rows}};
  Random random({.seed = 8, .step = step});
  for (HostTensor* tensor : {&batch.inputs.front(), &batch.targets.front()}) {
    std::ranges::generate(tensor->as<float>(),
                          [&] { return static_cast<float>(random.next_normal()); });
  }
  return batch;
}

PlanOptions plan_options(const std::string& schedule, const std::vector<int>& split) {
  return {.micro_batch = {.rows = kBoundaryRows},
          .micro_batches = kMicroBatches,
          .schedule = schedule,
          .split = split};
}

class BoundaryTest : public ::testing::TestWithParam<Streams> {};
INSTANTIATE_TEST_SUITE_P(On, BoundaryTest, ::testing::ValuesIn(test::all_streams()),
                         [](const auto& test) { return test.param.name; });

TEST_P(BoundaryTest, TwoTensorsCrossItWithTheBitsOfOneRank) {
  const auto gradients_on = [](const std::string& schedule, const std::vector<int>& split,
                               const Streams& streams) {
    World world = test::make_world(static_cast<int>(split.size()), streams);
    nn::Model model = two_tensor_model();
    const Plan plan = make_plan(model, world, plan_options(schedule, split));
    Pipeline pipeline(world, std::move(model), plan);
    auto results = std::vector<std::vector<float>>{};
    for (std::uint32_t step = 0; step < 2; ++step) {
      results.push_back(pipeline.forward_backward(random_rows(step)).micro_batch_losses);
    }
    for (auto& [name, gradient] : test::gradients_of(pipeline)) {
      results.push_back(std::move(gradient));
    }
    return results;
  };
  const auto expected = gradients_on("gpipe", {4}, test::plainest(GetParam()));
  EXPECT_EQ(expected.size(), 2U + 4U);
  for (const std::string schedule : {"gpipe", "1f1b"}) {
    for (const std::vector<int>& split :
         std::vector<std::vector<int>>{{1, 3}, {2, 2}, {3, 1}, {1, 2, 1}, {1, 1, 1, 1}}) {
      EXPECT_EQ(gradients_on(schedule, split, GetParam()), expected)
          << schedule << " " << testing::PrintToString(split);
    }
  }
}

// A rank whose program lacks the wait in front of one instruction.
struct Forgotten {
  std::size_t rank;
  std::string instruction;
};

void forget_wait(plan::Program& program, const Forgotten& forgotten) {
  auto& instructions = program.ranks[forgotten.rank].instructions;
  const auto protected_by_it = std::ranges::find_if(instructions, [&](const auto& instruction) {
    return plan::to_string(instruction).starts_with(forgotten.instruction);
  });
  const auto wait = std::prev(protected_by_it);
  ASSERT_EQ(wait->opcode, plan::Opcode::wait) << forgotten.instruction;
  instructions.erase(wait);
}

// The losses of some steps on two ranks under chaos; of a program that lacks a wait, if one is
// named.
std::vector<float> losses_under_chaos(std::uint64_t seed, const Forgotten* forgotten) {
  World world = test::make_world(2, {"chaos", StreamMode::threads, seed});
  nn::Model model = two_tensor_model();
  Plan plan = make_plan(model, world, plan_options("1f1b", {2, 2}));
  if (forgotten != nullptr) {
    forget_wait(plan.program, *forgotten);
  }
  Pipeline pipeline(world, std::move(model), plan, {.proved = forgotten == nullptr});
  std::vector<float> losses;
  for (std::uint32_t step = 0; step < 4; ++step) {
    const auto more = pipeline.forward_backward(random_rows(step)).micro_batch_losses;
    losses.insert(losses.end(), more.begin(), more.end());
  }
  return losses;
}

// An activation that is sent before it is computed, and one that is read before it is received.
const std::vector<Forgotten>& forgotten_waits() {
  static const std::vector<Forgotten> kWaits = {{0, "send 0SEND_F1"}, {1, "compute 1F1"}};
  return kWaits;
}

TEST(ForgottenWaitTest, ThePlantedOnesAreNotThereOtherwise) {
  const auto expected = losses_under_chaos(1, nullptr);
  EXPECT_EQ(losses_under_chaos(2, nullptr), expected);
  EXPECT_EQ(losses_under_chaos(3, nullptr), expected);
}

#if defined(__SANITIZE_THREAD__)
TEST(ForgottenWaitDeathTest, IsADataRaceThatThreadSanitizerReports) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  for (const Forgotten& forgotten : forgotten_waits()) {
    const auto run = [&] {
      for (std::uint64_t seed = 1; seed <= 200; ++seed) {
        losses_under_chaos(seed, &forgotten);
      }
    };
    EXPECT_DEATH(run(), "ThreadSanitizer: data race") << forgotten.instruction;
  }
}
#else
TEST(ForgottenWaitTest, ChangesTheLossesUnderChaos) {
  const auto expected = losses_under_chaos(1, nullptr);
  for (const Forgotten& forgotten : forgotten_waits()) {
    int caught = 0;
    for (std::uint64_t seed = 1; caught == 0 && seed <= 50; ++seed) {
      caught += losses_under_chaos(seed, &forgotten) != expected ? 1 : 0;
    }
    EXPECT_GT(caught, 0) << forgotten.instruction;
  }
}
#endif

}  // namespace
}  // namespace lockflight
