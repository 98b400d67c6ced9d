// Programs with a bug planted, run on the virtual GPU, whose checker must name each of them.  What
// is proved is never like this: the pipelines here are told to run programs that were not proved.

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <cuda_runtime_api.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/cuda/cuda_device.h"
#include "lockflight/core/error.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/ops/elementwise.h"
#include "runtime/test_models.h"
#include "virtual_gpu/control.h"

namespace lockflight {
namespace {

using plan::Instruction;
using plan::Opcode;
using test::kMicroBatches;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Instructions = std::vector<Instruction>;

class PlantedTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    test::need(GetParam());
    if (!IsSkipped() && !virtual_gpu::present()) {
      GTEST_SKIP() << "only the virtual GPU sees what a run did not happen to show";
    }
  }

  // What is reported, and thrown, when two ranks run a step of the program after `plant`.
  static std::vector<std::string> findings(const std::function<void(plan::Program&)>& plant) {
    std::vector<std::string> findings;
    {
      World world = World::threads({.ranks = 2,
                                    .deadline = std::chrono::seconds(20),
                                    .device = DeviceKind::cuda,
                                    .cuda_transport = CudaTransport::in_process});
      nn::Model model = test::tiny_gpt2();
      Plan plan = make_plan(model, world, {.micro_batches = kMicroBatches, .split = {3, 4}});
      plant(plan.program);
      try {
        Pipeline pipeline(world, std::move(model), plan, {.proved = false});
        pipeline.forward_backward(test::token_batch(kMicroBatches, 0));
      } catch (const Error& error) {
        findings.push_back(std::string("error: ") + error.what());
      }
    }
    for (const virtual_gpu::Report& report : virtual_gpu::take_reports()) {
      findings.push_back(report.kind + ": " + report.text);
    }
    return findings;
  }
};

INSTANTIATE_TEST_SUITE_P(On, PlantedTest, testing::Values(DeviceKind::cuda), test::backend_name);

Instructions::iterator find(Instructions& instructions, const std::string& begin) {
  const auto found = std::ranges::find_if(instructions, [&](const Instruction& instruction) {
    return plan::to_string(instruction).starts_with(begin);
  });
  EXPECT_NE(found, instructions.end()) << begin;
  return found;
}

TEST_P(PlantedTest, NothingIsFoundWhereNothingIsPlanted) {
  EXPECT_THAT(findings([](plan::Program& /*program*/) {}), IsEmpty());
}

TEST_P(PlantedTest, ADroppedWaitIsARace) {
  EXPECT_THAT(findings([](plan::Program& program) {
                Instructions& instructions = program.ranks[1].instructions;
                const auto wait = std::prev(find(instructions, "compute 1F1"));
                ASSERT_EQ(wait->opcode, Opcode::wait);
                instructions.erase(wait);
              }),
              Contains(HasSubstr("race: ")));
}

TEST_P(PlantedTest, AnEventRecordedTooEarlyIsARace) {
  EXPECT_THAT(findings([](plan::Program& program) {
                Instructions& instructions = program.ranks[0].instructions;
                const auto compute = find(instructions, "compute 0F1");
                const auto record = std::find_if(compute, instructions.end(), [](const auto& i) {
                  return i.opcode == Opcode::record && i.stream == 0;
                });
                std::rotate(compute, record, std::next(record));
              }),
              Contains(HasSubstr("race: ")));
}

TEST_P(PlantedTest, AReceiveBufferThatIsReusedIsARace) {
  EXPECT_THAT(findings([](plan::Program& program) {
                for (auto& rank : program.ranks) {
                  // Receives no longer wait until who had their memory before is done.
                  for (auto i = rank.instructions.begin(); i != rank.instructions.end(); ++i) {
                    if (i->opcode == Opcode::recv && std::prev(i)->opcode == Opcode::wait) {
                      i = rank.instructions.erase(std::prev(i));
                    }
                  }
                }
              }),
              Contains(HasSubstr("race: ")));
}

TEST_P(PlantedTest, SendsInAnotherOrderAreNamed) {
  EXPECT_THAT(findings([](plan::Program& program) {
                Instructions& instructions = program.ranks[0].instructions;
                const auto first = find(instructions, "send 0SEND_F0");
                std::rotate(first, std::next(first),
                            std::next(find(instructions, "send 0SEND_F1")));
              }),
              Contains(HasSubstr("both ends must use the channel in the same order")));
}

TEST_P(PlantedTest, AWrongChannelIsADeadlock) {
  const auto found = findings([](plan::Program& program) {
    const auto send = find(program.ranks[0].instructions, "send 0SEND_F0");
    program.ranks[0].streams[send->stream].channel += 100;
  });
  EXPECT_THAT(found, Contains(HasSubstr("deadlock: ")));
}

// Both ranks send first, on the stream on which they also receive.
TEST_P(PlantedTest, OppositeTransfersOnOneStreamAreADeadlock) {
  {
    World world = World::threads({.ranks = 2,
                                  .deadline = std::chrono::seconds(20),
                                  .device = DeviceKind::cuda,
                                  .cuda_transport = CudaTransport::in_process});
    std::vector<std::unique_ptr<Stream>> streams;
    std::vector<Tensor> tensors;
    for (int rank = 0; rank < 2; ++rank) {
      Stream& stream = *streams.emplace_back(world.device(rank).make_stream(StreamRole::transfer));
      const Tensor& tensor = tensors.emplace_back(world.device(rank).empty({{4}}));
      const std::vector<float> values(4);
      stream.upload(tensor, values.data());
      world.transport(rank).send(stream, tensor, {.peer = 1 - rank, .channel = rank});
      world.transport(rank).recv(stream, tensor, {.peer = 1 - rank, .channel = 1 - rank});
    }
    EXPECT_THROW(world.device(0).synchronize(), Error);
    world.transport(0).abort("planted");
    EXPECT_THROW(world.device(1).synchronize(), Error);
  }
  const auto reports = virtual_gpu::take_reports();
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.front().kind, "deadlock");
}

TEST_P(PlantedTest, WorkWithAnotherDeviceCurrentIsNamed) {
  {
    World world = World::threads(
        {.ranks = 2, .device = DeviceKind::cuda, .cuda_transport = CudaTransport::in_process});
    const auto stream = world.device(0).make_stream(StreamRole::transfer);
    const auto other = world.device(1).make_event();
    EXPECT_ANY_THROW(stream->record(*other); world.device(0).synchronize());
  }
  const auto reports = virtual_gpu::take_reports();
  ASSERT_FALSE(reports.empty());
  EXPECT_EQ(reports.front().kind, "wrong device");
}

}  // namespace
}  // namespace lockflight
