#include "lockflight/plan/placement_check.h"

#include <limits>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/random.h"
#include "plan/proofs.h"

namespace lockflight::plan {
namespace {

using ::testing::HasSubstr;

// Two pairs that use the same bytes one after the other, and a small one beside all of them.
std::vector<PlacedBuffer> good() {
  return {{.offset = 0, .bytes = 64, .born = 0, .freed = 10, .name = "weights"},
          {.offset = 64, .bytes = 32, .born = 1, .freed = 4, .name = "first output"},
          {.offset = 64, .bytes = 64, .born = 4, .freed = 9, .name = "second output"},
          {.offset = 96, .bytes = 32, .born = 2, .freed = 3, .name = "workspace"},
          {.offset = 100, .bytes = 0, .born = 0, .freed = 10, .name = "nothing"}};
}

constexpr ArenaSize kArena = {.rank = 3, .bytes = 128, .limit_bytes = 128};

TEST(PlacementCheckTest, AcceptsBuffersThatShareBytesOneAfterTheOther) {
  EXPECT_EQ(text_of(prove_memory(good(), kArena)), "");
}

TEST(PlacementCheckTest, RefusesAnArenaOneByteTooSmall) {
  const Proof proof = prove_memory(good(), {.rank = 3, .bytes = 127, .limit_bytes = 127});
  EXPECT_EQ(text_of(proof),
            "memory: rank 3: second output (64 bytes at 64) ends 1 bytes beyond the arena of 127 "
            "bytes\n"
            "memory: rank 3: workspace (32 bytes at 96) ends 1 bytes beyond the arena of 127 "
            "bytes\n");
}

TEST(PlacementCheckTest, RefusesAnArenaBeyondTheLimit) {
  EXPECT_EQ(text_of(prove_memory(good(), {.rank = 3, .bytes = 128, .limit_bytes = 127})),
            "memory: rank 3: the arena has 128 bytes, 1 more than the limit of 127\n");
}

TEST(PlacementCheckTest, RefusesTwoLiveBuffersThatOverlap) {
  std::vector<PlacedBuffer> buffers = good();
  buffers[1].freed = 5;
  EXPECT_EQ(
      text_of(prove_memory(buffers, kArena)),
      "memory: rank 3: second output (64 bytes at 64) and first output (32 bytes at 64) share "
      "32 bytes and both live at 4\n");
  buffers[1].freed = 4;
  EXPECT_TRUE(prove_memory(buffers, kArena).proved());
}

TEST(PlacementCheckTest, RefusesNumbersThatMakeNoSense) {
  constexpr std::size_t kMost = std::numeric_limits<std::size_t>::max();
  std::vector<PlacedBuffer> buffers = good();
  buffers[0].bytes = kMost;
  buffers[0].offset = kMost;
  EXPECT_THAT(text_of(prove_memory(buffers, kArena)), HasSubstr("beyond the arena"));
  buffers = good();
  buffers[1].freed = 0;
  EXPECT_THAT(text_of(prove_memory(buffers, kArena)), HasSubstr("is born at 1, but freed at 0"));
}

// Against every pair of buffers.
TEST(PlacementCheckTest, AgreesWithALookAtEveryPair) {
  int refused = 0;
  constexpr int kCases = 20000;
  for (std::uint64_t seed = 0; seed < kCases; ++seed) {
    Random random({.seed = seed});
    std::vector<PlacedBuffer> buffers(2 + random.next_below(6));
    bool overlap = false;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      buffers[i] = {.offset = random.next_below(24),
                    .bytes = random.next_below(8),
                    .born = static_cast<std::int64_t>(random.next_below(12)),
                    .freed = 0,
                    .name = std::to_string(i)};
      buffers[i].freed = buffers[i].born + static_cast<std::int64_t>(random.next_below(4));
      for (std::size_t j = 0; j < i; ++j) {
        const PlacedBuffer& a = buffers[i];
        const PlacedBuffer& b = buffers[j];
        overlap |=
            std::max(a.offset, b.offset) < std::min(a.offset + a.bytes, b.offset + b.bytes) &&
            std::max(a.born, b.born) < std::min(a.freed, b.freed);
      }
    }
    EXPECT_EQ(prove_memory(buffers, {.bytes = 32, .limit_bytes = 32}).proved(), !overlap)
        << "seed " << seed;
    refused += overlap ? 1 : 0;
  }
  EXPECT_GT(refused, kCases / 10);
  EXPECT_LT(refused, kCases * 9 / 10);
}

}  // namespace
}  // namespace lockflight::plan
