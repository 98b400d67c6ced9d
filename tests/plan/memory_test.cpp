#include "lockflight/plan/memory.h"

#include <numeric>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/device/memory_use.h"
#include "lockflight/nn/gpt2.h"
#include "lockflight/plan/plan.h"

namespace lockflight {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

nn::Model small_gpt2() {
  return nn::gpt2({.vocabulary = 11, .context = 8, .layers = 2, .heads = 2, .width = 16});
}

Plan plan_of(int ranks, std::size_t limit_bytes = 0, int optimizer_states = 2) {
  nn::Model model = small_gpt2();
  World world = World::threads({.ranks = ranks});
  return make_plan(model, world,
                   {.micro_batch = {.rows = 2},
                    .micro_batches = 4,
                    .memory_limit_bytes = limit_bytes,
                    .optimizer_states = optimizer_states});
}

TEST(MemoryTest, CountsEveryParameterOnceOnItsRank) {
  std::size_t expected = 0;
  nn::Model model = small_gpt2();
  for (const nn::Parameter* parameter : model.parameters()) {
    expected += aligned_bytes(parameter->spec().bytes());
  }
  const std::size_t scratch = aligned_bytes(model.parameters().size() * 8) + aligned_bytes(4);
  for (const int ranks : {1, 2, 4}) {
    std::size_t parameters = 0;
    std::size_t gradients = 0;
    std::size_t optimizer = 0;
    for (const RankMemory& rank : plan_of(ranks, 0, 3).memory) {
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
  for (const RankMemory& rank : plan_of(3).memory) {
    const std::size_t sum = std::accumulate(
        rank.peak_shares.begin(), rank.peak_shares.end(), std::size_t{0},
        [](std::size_t bytes, const RankMemory::Share& share) { return bytes + share.bytes; });
    EXPECT_EQ(sum, rank.step_peak_bytes);
    EXPECT_GE(rank.step_bytes, rank.step_peak_bytes);
  }
}

TEST(MemoryTest, TheFirstRankOf1F1BKeepsAllMicroBatchesThatAreUnderWay) {
  const RankMemory rank = plan_of(3).memory[0];
  EXPECT_THAT(rank.peak_shares[0].what, HasSubstr("stage 0, forwards ("));
  EXPECT_THAT(rank.peak_shares[0].what, HasSubstr(" micro-batches)"));
}

TEST(MemoryTest, RefusesOneByteTooFewWithRankActionAndTensors) {
  const Plan plan = plan_of(2);
  const std::size_t needed = std::max(plan.memory[0].arena_bytes(), plan.memory[1].arena_bytes());
  EXPECT_NO_THROW(plan_of(2, needed));
  const int rank = plan.memory[0].arena_bytes() == needed ? 0 : 1;
  EXPECT_THAT([&] { plan_of(2, needed - 1); },
              ThrowsMessage<PlanError>(AllOf(
                  HasSubstr("rank " + std::to_string(rank) + " needs "), HasSubstr("1 B more than"),
                  HasSubstr("peak is at " + plan.memory[rank].peak_action),
                  HasSubstr(plan.memory[rank].peak_shares[0].what))));
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
