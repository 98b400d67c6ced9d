// Steps as CUDA graphs: the same bits, refused where they could not be, and failures named.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/train/optimizer.h"
#include "runtime/planted_fault.h"
#include "runtime/test_models.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using test::kMicroBatches;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using ::testing::ThrowsMessage;

constexpr int kGraphSteps = 3;  // as it is, captured, launched again

struct GraphCase {
  int ranks = 1;
  std::string schedule = "1f1b";
  int stages_per_rank = 1;
  DType dtype = DType::f32;
};

// Three blocks, with tied ends: 9 layers.
nn::Model three_blocks(DType dtype, float dropout = 0) {
  return nn::gpt2({.vocabulary = test::kVocabulary,
                   .context = test::kContext,
                   .layers = 3,
                   .heads = 2,
                   .width = 8,
                   .dropout = dropout,
                   .tied = true,
                   .dtype = dtype});
}

struct GraphTraining {
  explicit GraphTraining(const GraphCase& given, bool graph)
      : world(test::make_world(given.ranks, {.device = DeviceKind::cuda})),
        pipeline(make(world, given, graph)),
        optimizer(pipeline.parameters(), {.learning_rate = 0.01F, .clip_norm = 1.0F}) {}

  static Pipeline make(World& world, const GraphCase& given, bool graph) {
    nn::Model model = three_blocks(given.dtype);
    const Plan plan = make_plan(model, world,
                                {.micro_batches = kMicroBatches,
                                 .schedule = given.schedule,
                                 .stages_per_rank = given.stages_per_rank});
    return {world, std::move(model), plan, {.seed = 3, .timeline = false, .cuda_graph = graph}};
  }

  std::vector<float> step() {
    const auto result =
        pipeline.forward_backward(test::token_batch(kMicroBatches, pipeline.step()));
    optimizer.step();
    return result.micro_batch_losses;
  }

  World world;
  Pipeline pipeline;
  train::AdamW optimizer;
};

// What training leaves behind, to the bit.
struct GraphOutcome {
  std::vector<std::vector<float>> losses;
  std::uint64_t weights = 0;

  friend bool operator==(const GraphOutcome&, const GraphOutcome&) = default;
};

GraphOutcome train_steps(const GraphCase& given, bool graph) {
  GraphTraining training(given, graph);
  GraphOutcome outcome;
  for (int step = 0; step < kGraphSteps; ++step) {
    outcome.losses.push_back(training.step());
  }
  outcome.weights = training.pipeline.weights_hash();
  return outcome;
}

class CudaGraphTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override { test::need(GetParam()); }

  void need_gpus(std::size_t count) {
    if (cuda_support().devices.size() < count) {
      GTEST_SKIP() << "needs " << count << " GPUs";
    }
  }

  void need_virtual_gpus() {
    if (!virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU counts calls, and fails on demand";
    }
  }
};

INSTANTIATE_TEST_SUITE_P(On, CudaGraphTest, testing::Values(DeviceKind::cuda), test::backend_name);

TEST_P(CudaGraphTest, ChangesNoBit) {
  need_gpus(4);
  for (const GraphCase& given :
       std::vector<GraphCase>{{.ranks = 1},
                              {.ranks = 1, .dtype = DType::bf16},
                              {.ranks = 2, .schedule = "gpipe"},
                              {.ranks = 2},
                              {.ranks = 2, .dtype = DType::bf16},
                              {.schedule = "interleaved", .stages_per_rank = 2},
                              {2, "interleaved", 2},
                              {.ranks = 4, .schedule = "gpipe"},
                              {.ranks = 4},
                              {4, "interleaved", 2}}) {
    EXPECT_TRUE(train_steps(given, true) == train_steps(given, false))
        << given.schedule << " on " << given.ranks << " ranks in " << name_of(given.dtype);
  }
}

TEST_P(CudaGraphTest, ChangesNoBitInAnyOrder) {
  need_gpus(2);
  need_virtual_gpus();
  const GraphOutcome expected = train_steps({.ranks = 1}, false);
  for (const std::string order : {"fifo", "lifo", "1", "2", "3", "4", "5"}) {
    virtual_gpu::set_order(order);
    EXPECT_TRUE(train_steps({.ranks = 2}, true) == expected) << order;
  }
  virtual_gpu::set_order("fifo");
}

TEST_P(CudaGraphTest, IsCapturedOnceAndThenLaunchedInEveryStep) {
  need_gpus(2);
  need_virtual_gpus();
  GraphTraining training({.ranks = 2}, true);
  const auto calls_of_a_step = [&](const std::string& function) {
    const std::int64_t before = virtual_gpu::calls(function);
    training.pipeline.forward_backward(test::token_batch(kMicroBatches, 0));
    const std::int64_t calls = virtual_gpu::calls(function) - before;
    training.optimizer.step();
    return calls;
  };
  EXPECT_EQ(calls_of_a_step("cudaStreamBeginCapture"), 0);
  EXPECT_EQ(calls_of_a_step("cudaStreamBeginCapture"), 2);
  EXPECT_EQ(calls_of_a_step("cudaStreamBeginCapture"), 0);
  EXPECT_EQ(calls_of_a_step("cudaGraphLaunch"), 2);
  EXPECT_EQ(calls_of_a_step("cudaLaunchKernel"), 0);
  EXPECT_EQ(calls_of_a_step("ncclSend"), 0);
}

// Its tensors need a larger block, so those of the graph move.
TEST_P(CudaGraphTest, IsCapturedAnewAfterAnEvaluationOfMoreRows) {
  need_gpus(2);
  // Who comes late to a step must find nothing to wait for: the first device runs ahead.
  if (virtual_gpu::present()) {
    virtual_gpu::set_order("lifo");
  }
  const auto run = [](bool graph) {
    GraphTraining training({.ranks = 2}, graph);
    std::vector<float> losses;
    for (const std::int64_t rows : {2, 16, 2}) {
      for (int i = 0; i < 2; ++i) {
        losses.push_back(training.step().back());
      }
      losses.push_back(training.pipeline.evaluate(test::token_batch(rows, 99)));
      training.pipeline.forward(test::token_batch(rows, 98).inputs);
    }
    losses.push_back(training.step().back());
    return std::pair(losses, training.pipeline.weights_hash());
  };
  EXPECT_EQ(run(true), run(false));
  if (virtual_gpu::present()) {
    virtual_gpu::set_order("fifo");
  }
}

std::string refusal(const ThreadWorldOptions& ranks, float dropout, bool timeline,
                    plan::OptimizerPlace optimizer = plan::OptimizerPlace::after_step) {
  World world = World::threads(ranks);
  nn::Model model = three_blocks(DType::f32, dropout);
  const Plan plan =
      make_plan(model, world, {.micro_batches = 2, .lower = {.optimizer = optimizer}});
  try {
    Pipeline(world, std::move(model), plan, {.timeline = timeline, .cuda_graph = true});
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return {};
}

TEST_P(CudaGraphTest, IsRefusedWhereAStepCannotBeCaptured) {
  need_gpus(2);
  const ThreadWorldOptions gpus{.ranks = 2, .device = DeviceKind::cuda};
  EXPECT_THAT(refusal(gpus, 0, false), IsEmpty());
  const auto says = [](const char* why) {
    return AllOf(StartsWith("pipeline: this step cannot be a CUDA graph: "), HasSubstr(why),
                 HasSubstr("or leave the graph out"));
  };
  EXPECT_THAT(refusal({.ranks = 2}, 0, false), says("a cpu device has no CUDA graphs"));
  EXPECT_THAT(refusal(gpus, 0, true), says("turn the timeline off"));
  EXPECT_THAT(refusal(gpus, 0.1F, false),
              AllOf(says("layer blocks."), HasSubstr("draws random numbers")));
  ThreadWorldOptions without_nccl = gpus;
  without_nccl.cuda_transport = CudaTransport::in_process;
  EXPECT_THAT(refusal(without_nccl, 0, false), says("exchange data without NCCL"));
  EXPECT_THAT(refusal(gpus, 0, false, plan::OptimizerPlace::in_schedule),
              says("its optimizer is in the schedule"));
  without_nccl.ranks = 1;  // nothing to exchange
  EXPECT_THAT(refusal(without_nccl, 0, false), IsEmpty());
}

// What the third step throws, which launches the graph, or the second, which captures it, when a
// call fails.
std::string failure_of(int step, const std::string& function, int code) {
  GraphTraining training({.ranks = 2}, true);
  for (int i = 1; i < step; ++i) {
    training.step();
  }
  return test::failure_with(function, 1, code, [&] { training.step(); });
}

TEST_P(CudaGraphTest, AFailureWhileItIsLaunchedNamesTheRank) {
  need_gpus(2);
  need_virtual_gpus();
  EXPECT_THAT(failure_of(3, "cudaGraphLaunch", cudaErrorLaunchFailure),
              AllOf(StartsWith("rank "), HasSubstr("cudaGraphLaunch failed")));
  EXPECT_THAT(failure_of(3, "kernel", cudaErrorIllegalAddress),
              AllOf(StartsWith("rank "), HasSubstr("illegal memory access")));
  for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
    EXPECT_EQ(report.kind, "race") << report.text;  // of what was not finished
  }
  EXPECT_TRUE(train_steps({.ranks = 2}, true) == train_steps({.ranks = 1}, false));
}

TEST_P(CudaGraphTest, AFailureWhileItIsCapturedNamesTheRank) {
  need_gpus(2);
  need_virtual_gpus();
  for (const std::string function :
       {"cudaStreamBeginCapture", "cudaStreamEndCapture", "cudaGraphInstantiate", "cudaMallocHost",
        "cudaEventRecord", "cudaStreamWaitEvent"}) {
    EXPECT_THAT(failure_of(2, function, cudaErrorMemoryAllocation),
                AllOf(StartsWith("rank "), HasSubstr(function)));
  }
  EXPECT_THAT(failure_of(2, "cudaLaunchKernel", cudaErrorLaunchOutOfResources),
              testing::ContainsRegex("^rank ., action [0-9]+ \\([0-9]F0\\): .*the launch of"));
  EXPECT_THAT(virtual_gpu::take_reports(), IsEmpty());
  EXPECT_TRUE(train_steps({.ranks = 2}, true) == train_steps({.ranks = 1}, false));
}

}  // namespace
}  // namespace lockflight
