#include "lockflight/plan/memory.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/device/memory_use.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/plan.h"
#include "plan/small_gpt2.h"

namespace lockflight {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

Plan plan_of_narrow(int ranks, std::size_t limit_bytes = 0, int optimizer_states = 2) {
  nn::Model model = narrow_gpt2(2);
  World world = World::threads({.ranks = ranks});
  return make_plan(model, world,
                   {.micro_batch = {.rows = 2},
                    .micro_batches = 4,
                    .memory_limit_bytes = limit_bytes,
                    .optimizer_states = optimizer_states});
}

TEST(MemoryTest, CountsEveryParameterOnceOnItsRank) {
  std::size_t expected = 0;
  nn::Model model = narrow_gpt2(2);
  for (const nn::Parameter* parameter : model.parameters()) {
    expected += aligned_bytes(parameter->spec().bytes());
  }
  const std::size_t scratch = aligned_bytes(model.parameters().size() * 8) + aligned_bytes(4);
  for (const int ranks : {1, 2, 4}) {
    std::size_t parameters = 0;
    std::size_t gradients = 0;
    std::size_t optimizer = 0;
    for (const RankMemory& rank : plan_of_narrow(ranks, 0, 3).memory) {
      parameters += rank.parameter_bytes;
      gradients += rank.gradient_bytes;
      optimizer += rank.optimizer_bytes - scratch;
    }
    EXPECT_EQ(parameters, expected);
    EXPECT_EQ(gradients, expected);
    EXPECT_EQ(optimizer, 3 * expected);
  }
}

TEST(MemoryTest, SharesOfThePeakAddUpToIt) {
  for (const RankMemory& rank : plan_of_narrow(3).memory) {
    const std::size_t sum = std::accumulate(
        rank.peak_shares.begin(), rank.peak_shares.end(), std::size_t{0},
        [](std::size_t bytes, const RankMemory::Share& share) { return bytes + share.bytes; });
    EXPECT_EQ(sum, rank.step_peak_bytes);
    EXPECT_GE(rank.step_bytes, rank.step_peak_bytes);
  }
}

TEST(MemoryTest, TheFirstRankOf1F1BKeepsAllMicroBatchesThatAreUnderWay) {
  const RankMemory rank = plan_of_narrow(3).memory[0];
  EXPECT_THAT(rank.peak_shares[0].what, HasSubstr("stage 0, forwards ("));
  EXPECT_THAT(rank.peak_shares[0].what, HasSubstr(" micro-batches)"));
}

TEST(MemoryTest, RefusesOneByteTooFewWithRankActionAndTensors) {
  const Plan plan = plan_of_narrow(2);
  const std::size_t needed = std::max(plan.memory[0].arena_bytes(), plan.memory[1].arena_bytes());
  EXPECT_NO_THROW(plan_of_narrow(2, needed));
  const int rank = plan.memory[0].arena_bytes() == needed ? 0 : 1;
  EXPECT_THAT([&] { plan_of_narrow(2, needed - 1); },
              ThrowsMessage<PlanError>(AllOf(
                  HasSubstr("rank " + std::to_string(rank) + " needs "), HasSubstr("1 B more than"),
                  HasSubstr("peak is at " + plan.memory[rank].peak_action),
                  HasSubstr(plan.memory[rank].peak_shares[0].what))));
}

// The compute stream's 32 MiB; and to add up in, for the norm a group of all ranks and for a tie
// one of two: 2 MiB for each by copies, 256 KiB of every member for groups of more than two by
// NCCL.
TEST(MemoryTest, CountsWhatGpusAndTheirTransportsTakeThemselves) {
  constexpr std::size_t kKiB = 1024;
  const auto workspaces = [](int ranks, const char* device, CudaTransport transport) {
    nn::Model model = nn::gpt2(
        {.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16, .tied = true});
    std::vector<std::size_t> bytes;
    for (const RankMemory& rank : make_plan(model, ranks,
                                            {.micro_batches = 4,
                                            .device = plan::device_profile(device),
                                            .cuda_transport = transport})
                                      .memory) {
      bytes.push_back(rank.workspace_bytes);
      EXPECT_EQ(rank.arena_bytes(), rank.parameter_bytes + rank.gradient_bytes +
                                        rank.optimizer_bytes + rank.step_bytes +
                                        rank.workspace_bytes);
    }
    return bytes;
  };
  const std::size_t stream = 32 * kKiB * kKiB;
  const std::size_t chunks = 2 * kKiB * kKiB;
  EXPECT_THAT(workspaces(3, "cpu-2core", CudaTransport::automatic), ElementsAre(0, 0, 0));
  EXPECT_THAT(workspaces(3, "h100", CudaTransport::in_process),
              ElementsAre(stream + 2 * chunks, stream + chunks, stream + 2 * chunks));
  const std::size_t gathered = stream + 3 * 256 * kKiB;
  EXPECT_THAT(workspaces(3, "h100", CudaTransport::automatic),
              ElementsAre(gathered, gathered, gathered));
  EXPECT_THAT(workspaces(2, "h100", CudaTransport::nccl), ElementsAre(stream, stream));
  EXPECT_THAT(workspaces(1, "h100", CudaTransport::automatic), ElementsAre(stream + chunks));
}

TEST(MemoryTest, ALimitHoldsForTheWorkspaceToo) {
  nn::Model model = narrow_gpt2(2);
  PlanOptions options{.micro_batches = 4, .device = plan::device_profile("h100")};
  const std::size_t needed = make_plan(model, 1, options).memory[0].arena_bytes();
  options.memory_limit_bytes = needed;
  EXPECT_NO_THROW(make_plan(model, 1, options));
  options.memory_limit_bytes = needed - 1;
  EXPECT_THAT([&] { make_plan(model, 1, options); },
              ThrowsMessage<PlanError>(HasSubstr("workspace 34.0 MiB, and ")));
}

TEST(MemoryTest, WritesBytesInThreeDigits) {
  EXPECT_EQ(bytes_text(0), "0 B");
  EXPECT_EQ(bytes_text(999), "999 B");
  EXPECT_EQ(bytes_text(1536), "1.50 KiB");
  EXPECT_EQ(bytes_text(std::size_t{80} << 30), "80.0 GiB");
  EXPECT_EQ(bytes_text(std::size_t{700} << 20), "700 MiB");
}

}  // namespace
}  // namespace lockflight
