// What was planned is what is measured: to the byte, and at the same addresses in every step.

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/gelu.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/ops/elementwise.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/train/optimizer.h"
#include "runtime/test_models.h"

namespace lockflight {
namespace {

using test::kMicroBatchRows;
using test::kOddMicroBatches;
using test::Streams;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

PlanOptions options(const std::string& schedule) {
  const bool several = schedule == "interleaved" || schedule == "looped-bfs";
  return {.micro_batch = {.rows = kMicroBatchRows},
          .micro_batches = kOddMicroBatches,
          .schedule = schedule,
          .stages_per_rank = several ? 2 : 0};
}

class PlannedStepTest : public ::testing::TestWithParam<std::string> {};

TEST_P(PlannedStepTest, ThePeakIsThePlannedOneToTheByte) {
  for (const int ranks : {1, 2, 3}) {
    for (const auto& [tied, dtype] :
         {std::pair(false, DType::f32), {true, DType::f32}, {true, DType::bf16}}) {
      World world = test::make_world(ranks, {});
      nn::Model model = test::tiny_gpt2(tied, 0.1F, dtype);
      const Plan plan = make_plan(model, world, options(GetParam()));
      Pipeline pipeline(world, std::move(model), plan);
      train::AdamW optimizer(pipeline.parameters());
      for (std::uint32_t step = 0; step < 3; ++step) {
        pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, step));
        for (int rank = 0; rank < ranks; ++rank) {
          EXPECT_EQ(pipeline.step_memory(rank).peak_bytes, plan.memory[rank].step_peak_bytes);
          EXPECT_EQ(pipeline.step_memory(rank).in_use_bytes, 0U);
        }
        optimizer.step();
      }
      for (int rank = 0; rank < ranks; ++rank) {
        EXPECT_EQ(world.device(rank).memory().peak_bytes, plan.memory[rank].arena_bytes())
            << "rank " << rank << " of " << ranks;
      }
    }
  }
}

TEST_P(PlannedStepTest, AStepAsksTheDeviceForNothing) {
  World world = test::make_world(3, {});
  nn::Model model = test::tiny_gpt2();
  const Plan plan = make_plan(model, world, options(GetParam()));
  Pipeline pipeline(world, std::move(model), plan);
  train::AdamW optimizer(pipeline.parameters());
  const auto requests = [&] {
    std::vector<std::int64_t> counts;
    for (int rank = 0; rank < world.ranks(); ++rank) {
      counts.push_back(world.device(rank).memory().requests);
    }
    return counts;
  };
  pipeline.evaluate(test::token_batch(kMicroBatchRows, 0));
  const auto before = requests();
  for (std::uint32_t step = 0; step < 3; ++step) {
    pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, step));
    optimizer.step();
    pipeline.evaluate(test::token_batch(kMicroBatchRows, step));
  }
  EXPECT_EQ(requests(), before);
}

INSTANTIATE_TEST_SUITE_P(Of, PlannedStepTest,
                         ::testing::Values("gpipe", "1f1b", "interleaved", "looped-bfs", "zb-1p",
                                           "zb-v"),
                         [](const auto& test) {
                           std::string name = test.index == 1 ? "one_f_one_b" : test.param;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

// On GPUs the compute stream and the transport take memory too, and that is planned.
class PlannedArenaTest : public test::StreamsTest {
 protected:
  static void expect_what_was_planned(int ranks, bool tied, const PlanOptions& options) {
    World world = test::make_world(ranks, GetParam());
    nn::Model model = test::tiny_gpt2(tied);
    const Plan plan = make_plan(model, world, options);
    Pipeline pipeline(world, std::move(model), plan);
    train::AdamW optimizer(pipeline.parameters());
    pipeline.forward_backward(test::token_batch(plan.batch().rows(), 0));
    optimizer.step();
    for (int rank = 0; rank < ranks; ++rank) {
      const RankMemory& planned = plan.memory[rank];
      EXPECT_EQ(planned.workspace_bytes > 0, GetParam().device == DeviceKind::cuda);
      EXPECT_EQ(world.device(rank).memory().in_use_bytes, planned.arena_bytes())
          << "rank " << rank << " of " << ranks;
      EXPECT_EQ(world.device(rank).memory().peak_bytes, planned.arena_bytes());
    }
  }
};

TEST_P(PlannedArenaTest, HoldsWhatThePlanSaysToTheByte) {
  for (const int ranks : {1, 2, 3}) {
    for (const bool tied : {false, true}) {
      expect_what_was_planned(ranks, tied, options("1f1b"));
    }
  }
}

// Ranks with overlapped pairs have two streams that compute.
TEST_P(PlannedArenaTest, HoldsAWorkspaceForEveryStreamThatComputes) {
  PlanOptions pairs{.micro_batch = {.rows = kMicroBatchRows}, .micro_batches = 3};
  pairs.own_schedule = schedule::read_csv(
      "0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n1F0,1B0,1F1,1B1,1F2,1B2\n", "pairs");
  expect_what_was_planned(2, false, pairs);
}

INSTANTIATE_TEST_SUITE_P(On, PlannedArenaTest,
                         ::testing::Values(Streams{.name = "worker"},
                                           Streams{.name = "cuda_nccl",
                                                   .device = DeviceKind::cuda,
                                                   .transport = CudaTransport::nccl},
                                           Streams{.name = "cuda_in_process",
                                                   .device = DeviceKind::cuda,
                                                   .transport = CudaTransport::in_process}),
                         [](const auto& test) { return test.param.name; });

// y = 2 x, and a note of every address that it was given.
class NotingLayer final : public nn::Layer {
 public:
  explicit NotingLayer(std::vector<const void*>& addresses) : addresses_(addresses) {}

  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    return twice(context, x);
  }
  Tensor backward_input(nn::Context& context, Tensor dy, nn::Saved& /*saved*/) override {
    return twice(context, dy);
  }

 private:
  Tensor twice(nn::Context& context, const Tensor& x) {
    Tensor y = context.empty(x.spec());
    ops::scale(context.stream(), y, x, 2.0F);
    if (context.device().kind() != DeviceKind::meta) {
      addresses_.push_back(x.view().data());
      addresses_.push_back(y.view().data());
    }
    return y;
  }

  std::vector<const void*>& addresses_;
};

TEST(PlannedMemoryOfAStepTest, EveryAddressRepeatsFromStepToStep) {
  World world = test::make_world(2, {});
  std::vector<const void*> addresses;
  nn::Model noting = nn::gpt2({.vocabulary = test::kVocabulary,
                               .context = test::kContext,
                               .layers = 1,
                               .heads = 2,
                               .width = 8});
  noting.add("notes", std::make_unique<NotingLayer>(addresses));
  const Plan plan = make_plan(noting, world, options("1f1b"));
  Pipeline pipeline(world, std::move(noting), plan);
  std::vector<std::vector<const void*>> steps;
  for (std::uint32_t step = 0; step < 3; ++step) {
    addresses.clear();
    pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, step));
    steps.push_back(addresses);
  }
  ASSERT_EQ(steps[0].size(), 4U * kOddMicroBatches);
  EXPECT_EQ(steps[1], steps[0]);
  EXPECT_EQ(steps[2], steps[0]);
}

TEST(PlannedMemoryOfAStepTest, APlanOfASmallerModelIsRefused) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2();
  const Plan plan = make_plan(model, world, options("1f1b"));
  EXPECT_THAT(
      [&] {
        Pipeline(world,
                 nn::gpt2({.vocabulary = test::kVocabulary,
                           .context = test::kContext,
                           .layers = 2,
                           .heads = 2,
                           .width = 16}),
                 plan);
      },
      ThrowsMessage<PlanError>(HasSubstr("make the plan anew with this model")));
  nn::Model longer = test::tiny_gpt2();
  longer.add("more", std::make_unique<nn::Gelu>());
  EXPECT_THAT([&] { Pipeline(world, std::move(longer), plan); },
              ThrowsMessage<PlanError>(HasSubstr("the plan has 7 layers, the model 8")));
  nn::Model shorter({.inputs = {}, .targets = {}}, nullptr);
  shorter.add("embedding", std::make_unique<nn::Gelu>());
  EXPECT_THAT([&] { Pipeline(world, std::move(shorter), plan); },
              ThrowsMessage<PlanError>(HasSubstr("the model has other layers there")));
}

// As a user's layer would be whose shapes depend on what it has seen.
class MoodyLayer final : public nn::Layer {
 public:
  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    if (context.device().kind() != DeviceKind::meta && context.micro_batch == 3) {
      const Tensor more = context.empty({{1000}});
    }
    return x;
  }
  Tensor backward_input(nn::Context& /*context*/, Tensor dy, nn::Saved& /*saved*/) override {
    return dy;
  }
};

TEST(PlannedMemoryOfAStepTest, ALayerThatAsksForOtherTensorsThanInTheDryRunIsNamed) {
  World world = test::make_world(2, {});
  nn::Model model = test::tiny_gpt2();
  model.add("moody", std::make_unique<MoodyLayer>());
  const Plan plan = make_plan(model, world, options("gpipe"));
  Pipeline pipeline(world, std::move(model), plan);
  EXPECT_THAT(
      [&] { pipeline.forward_backward(test::token_batch(kMicroBatchRows * kOddMicroBatches, 0)); },
      ThrowsMessage<DeviceError>(::testing::AllOf(HasSubstr("rank 1, action "), HasSubstr("(1F3)"),
                                                  HasSubstr("tensor"), HasSubstr("4000 bytes"))));
}

}  // namespace
}  // namespace lockflight
