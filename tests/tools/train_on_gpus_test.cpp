// The command on GPUs.

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backend.h"
#include "tools/command_runs.h"
#include "train/scratch_folder.h"

namespace lockflight::tools {
namespace {

using testing::HasSubstr;
using testing::Not;

class TrainOnGpusTest : public testing::TestWithParam<DeviceKind> {
 protected:
  void SetUp() override {
    test::need(GetParam());
    train::write_file(folder_ / "input.txt", some_text());
  }

  Outcome train(const Words& more) {
    return run_here(tiny_training() + Words{"--data", folder_ / "input.txt", "--device", "cuda"} +
                    more);
  }

  train::ScratchFolder folder_;
};

INSTANTIATE_TEST_SUITE_P(On, TrainOnGpusTest, testing::Values(DeviceKind::cuda),
                         test::backend_name);

std::string weights(const Outcome& outcome) {
  EXPECT_EQ(outcome.exit_code, 0) << outcome.err;
  return outcome.out.substr(outcome.out.rfind("weights 0x"));
}

TEST_P(TrainOnGpusTest, ACudaGraphTrainsToTheSameWeights) {
  if (cuda_support().devices.size() < 2) {
    GTEST_SKIP() << "needs two GPUs";
  }
  const Words words = {"--ranks", "2", "--profile", "estimate", "--validate-every", "2"};
  const Outcome plain = train(words);
  const Outcome graph = train(words + Words{"--cuda-graph"});
  EXPECT_EQ(weights(graph), weights(plain));
  EXPECT_THAT(plain.out, HasSubstr("tokens/s  bubble "));
  EXPECT_THAT(graph.out, Not(HasSubstr("tokens/s  bubble ")));
  EXPECT_THAT(graph.out, HasSubstr("measured nothing"));
}

TEST_P(TrainOnGpusTest, AnOrderThatWasSearchedTrainsToTheSameWeights) {
  if (cuda_support().devices.size() < 2) {
    GTEST_SKIP() << "needs two GPUs";
  }
  const Words words = {"--profile", "estimate", "--dropout", "0.1"};
  const Outcome searched = train(words + Words{"--ranks", "2", "--schedule", "auto"});
  EXPECT_EQ(weights(searched), weights(train(words + Words{"--ranks", "1"})));
}

TEST_P(TrainOnGpusTest, ACudaGraphIsRefusedWithDropout) {
  const Outcome refused = train({"--cuda-graph", "--dropout", "0.1"});
  EXPECT_EQ(refused.exit_code, 64);
  EXPECT_THAT(refused.err, HasSubstr("draws random numbers"));
}

TEST(CudaGraphOptionTest, IsRefusedOnTheCpuAndWithATrace) {
  const train::ScratchFolder folder;
  train::write_file(folder / "input.txt", some_text());
  const Words words =
      tiny_training() + Words{"--data", folder / "input.txt", "--device", "cpu", "--cuda-graph"};
  const Outcome on_cpu = run_here(words);
  EXPECT_EQ(on_cpu.exit_code, 64);
  EXPECT_EQ(on_cpu.err,
            "lockflight: pipeline: this step cannot be a CUDA graph: a cpu device has no CUDA "
            "graphs; use GPUs, or leave the graph out\n");
  const Outcome traced = run_here(words + Words{"--trace", folder / "trace.json"});
  EXPECT_EQ(traced.exit_code, 64);
  EXPECT_THAT(traced.err, HasSubstr("--trace measures every action, which --cuda-graph does not"));
}

}  // namespace
}  // namespace lockflight::tools
