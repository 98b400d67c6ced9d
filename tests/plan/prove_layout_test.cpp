#include "lockflight/plan/prove_layout.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "plan/random_buffers.h"

namespace lockflight::plan {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// Tensors 0 and 1 live together, 2 after 0.
const std::vector<BufferLife> kBuffers = {{.bytes = 512, .born = 0, .freed = 2, .action = 3},
                                          {.bytes = 300, .born = 1, .freed = -1, .action = 4},
                                          {.bytes = 512, .born = 3, .freed = 4, .action = 9}};

Layout good_layout() { return {.places = {{0, 512}, {512, 300}, {0, 512}}, .bytes = 1024}; }

TEST(ProveLayoutTest, AcceptsWhatPlaceMakes) {
  EXPECT_THAT(prove_layout(0, kBuffers, good_layout()), IsEmpty());
  EXPECT_THAT(prove_layout(0, {}, {}), IsEmpty());
  for (std::uint32_t seed = 0; seed < 100; ++seed) {
    const auto buffers = random_buffers(seed, 200);
    EXPECT_THAT(prove_layout(0, buffers, place(buffers)), IsEmpty()) << seed;
  }
}

TEST(ProveLayoutTest, RefusesABlockOneByteTooSmall) {
  Layout layout = good_layout();
  --layout.bytes;
  const auto findings = prove_layout(2, kBuffers, layout);
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(to_string(findings[0]),
            "rank 2, instruction 4: tensor 1 ends 1 bytes beyond the block of 1023 bytes");
}

TEST(ProveLayoutTest, RefusesTwoLiveTensorsOnTheSameBytes) {
  Layout layout = good_layout();
  layout.places[1].offset = 256;
  const auto findings = prove_layout(0, kBuffers, layout);
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_THAT(findings[0].sentence,
              HasSubstr("tensor 1 (bytes 256 to 768) lies on tensor 0 (bytes 0 to 512)"));
  EXPECT_EQ(findings[1].position, 9);
  EXPECT_EQ(findings[1].kind, Finding::Kind::memory);
}

TEST(ProveLayoutTest, RefusesPlacesOfOtherTensors) {
  Layout layout = good_layout();
  layout.places[0].bytes = 511;
  layout.places[2].offset = 8;
  EXPECT_THAT(prove_layout(0, kBuffers, layout), SizeIs(2 + 1));  // 2 now ends in 1's bytes
  layout.places.pop_back();
  EXPECT_THAT(prove_layout(0, kBuffers, layout)[0].sentence,
              HasSubstr("asks for 3 tensors, the layout has places for 2"));
}

// Moving any tensor somewhere else is refused just when it then shares a byte with a tensor that
// lives at the same time, or leaves the block.
TEST(ProveLayoutTest, AgreesWithComparingAllPairs) {
  Random random({.seed = 4});
  int refused = 0;
  for (std::uint32_t seed = 0; seed < 1000; ++seed) {
    const auto buffers = random_buffers(seed, 60);
    Layout layout = place(buffers);
    const std::size_t moved = random.next_below(buffers.size());
    layout.places[moved].offset =
        random.next_below(layout.bytes / kMemoryAlignment) * kMemoryAlignment;
    const auto end = [&](std::size_t i) {
      return layout.places[i].offset + aligned_bytes(buffers[i].bytes);
    };
    bool bad = end(moved) > layout.bytes;
    for (std::size_t i = 0; i < buffers.size(); ++i) {
      bad |= i != moved &&
             (alive_at(buffers[i], buffers[moved].born) ||
              alive_at(buffers[moved], buffers[i].born)) &&
             layout.places[i].offset < end(moved) && layout.places[moved].offset < end(i);
    }
    EXPECT_EQ(!prove_layout(0, buffers, layout).empty(), bad) << seed;
    refused += bad ? 1 : 0;
  }
  EXPECT_GT(refused, 100);
  EXPECT_LT(refused, 900);
}

}  // namespace
}  // namespace lockflight::plan
