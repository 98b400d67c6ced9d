#include "device/arena.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <map>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "device/cpu/slab.h"
#include "lockflight/core/error.h"
#include "lockflight/core/random.h"

namespace lockflight {
namespace {

constexpr std::size_t kUnit = kMemoryAlignment;

TEST(ArenaTest, AlignsEveryBlock) {
  Arena arena(cpu::huge_page_slabs());
  for (const std::size_t bytes : {0, 1, 255, 256, 257, 1000, 100000}) {
    const auto address = reinterpret_cast<std::uintptr_t>(arena.allocate(bytes));
    EXPECT_EQ(address % kUnit, 0U) << bytes;
  }
}

TEST(ArenaTest, GivesEmptyBlocksAddressesOfTheirOwn) {
  Arena arena(cpu::huge_page_slabs());
  EXPECT_NE(arena.allocate(0), arena.allocate(0));
}

TEST(ArenaTest, StartsEverySlabOnAHugePage) {
  Arena arena(cpu::huge_page_slabs());
  for (int i = 0; i < 3; ++i) {
    const auto address = reinterpret_cast<std::uintptr_t>(arena.allocate(Arena::kSlabBytes));
    EXPECT_EQ(address % (std::uintptr_t{2} << 20), 0U);
  }
  EXPECT_EQ(arena.use().reserved_bytes, 3 * Arena::kSlabBytes);
}

TEST(ArenaTest, TakesTheSmallestHoleThatFits) {
  Arena arena(cpu::huge_page_slabs());
  std::byte* large = arena.allocate(4 * kUnit);
  arena.allocate(1);
  std::byte* fitting = arena.allocate(2 * kUnit);
  arena.allocate(1);
  std::byte* small = arena.allocate(kUnit);
  arena.allocate(1);
  arena.release(large, 4 * kUnit);
  arena.release(fitting, 2 * kUnit);
  arena.release(small, kUnit);
  EXPECT_EQ(arena.allocate(kUnit + 1), fitting);
  EXPECT_EQ(arena.allocate(kUnit + 1), large);
  EXPECT_EQ(arena.allocate(kUnit), small);
}

TEST(ArenaTest, MergesNeighboursInWhateverOrderTheyAreFreed) {
  std::array<std::size_t, 3> order = {0, 1, 2};
  do {
    Arena arena(cpu::huge_page_slabs());
    std::array<std::byte*, 3> blocks{};
    std::ranges::generate(blocks, [&] { return arena.allocate(3 * kUnit); });
    arena.allocate(1);  // keeps them apart from the rest of the slab
    for (const std::size_t block : order) {
      arena.release(blocks[block], 3 * kUnit);
    }
    EXPECT_EQ(arena.allocate(9 * kUnit), blocks[0]) << testing::PrintToString(order);
  } while (std::ranges::next_permutation(order).found);
}

TEST(ArenaTest, CountsWhatIsInUse) {
  Arena arena(cpu::huge_page_slabs());
  std::byte* a = arena.allocate(kUnit + 1);
  std::byte* b = arena.allocate(kUnit);
  EXPECT_EQ(arena.use().in_use_bytes, 3 * kUnit);
  arena.release(a, kUnit + 1);
  EXPECT_EQ(arena.use().in_use_bytes, kUnit);
  EXPECT_EQ(arena.use().peak_bytes, 3 * kUnit);
  arena.release(b, kUnit);
  EXPECT_EQ(arena.use().in_use_bytes, 0U);
  EXPECT_EQ(arena.use().reserved_bytes, Arena::kSlabBytes);
}

TEST(ArenaTest, MemoryThatTheSystemDoesNotHaveIsADeviceError) {
  Arena arena(cpu::huge_page_slabs());
  EXPECT_THROW(arena.allocate(std::size_t{1} << 60), DeviceError);
  EXPECT_EQ(arena.use().in_use_bytes, 0U);
}

// A random sequence of calls, looked at after every one.
class RandomCalls {
 public:
  explicit RandomCalls(std::uint64_t seed) : random_({.seed = seed}) {}

  // Where each call's block began, relative to the first.
  std::vector<std::ptrdiff_t> run(int calls) {
    std::vector<std::ptrdiff_t> offsets;
    for (int call = 0; call < calls; ++call) {
      if (!live_.empty() && random_.next_below(100) < 48) {
        release_one();
      } else {
        std::byte* data = allocate_one();
        first_ = first_ == nullptr ? data : first_;
        offsets.push_back(data - first_);
      }
      if (testing::Test::HasFailure()) {
        break;
      }
    }
    return offsets;
  }

  void release_all() {
    while (!live_.empty()) {
      release_one();
    }
  }

  Arena& arena() { return arena_; }

 private:
  struct Block {
    std::size_t bytes;
    unsigned char mark;
  };

  std::byte* allocate_one() {
    const std::size_t most = std::size_t{1} << random_.next_below(20);
    const std::size_t bytes = random_.next_below(most + 1);
    std::byte* data = arena_.allocate(bytes);
    const auto after = live_.lower_bound(data);
    if (after != live_.end()) {
      EXPECT_LE(data + bytes, after->first) << "overlaps the block behind it";
    }
    if (after != live_.begin()) {
      const auto before = std::prev(after);
      EXPECT_LE(before->first + before->second.bytes, data) << "overlaps the block before it";
    }
    const auto mark = static_cast<unsigned char>(random_.next_u32());
    std::memset(data, mark, bytes);
    live_.emplace(data, Block{bytes, mark});
    return data;
  }

  void release_one() {
    const auto block =
        std::next(live_.begin(), static_cast<std::ptrdiff_t>(random_.next_below(live_.size())));
    const auto [data, what] = *block;
    EXPECT_TRUE(std::all_of(data, data + what.bytes, [mark = std::byte{what.mark}](std::byte b) {
      return b == mark;
    })) << "somebody else has written here";
    arena_.release(data, what.bytes);
    live_.erase(block);
  }

  Arena arena_{cpu::huge_page_slabs()};
  Random random_;
  std::map<std::byte*, Block> live_;
  std::byte* first_ = nullptr;
};

TEST(ArenaTest, RandomCallsNeverOverlapAndLeaveNothing) {
  for (std::uint64_t seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    RandomCalls calls(seed);
    calls.run(2000);
    calls.release_all();
    EXPECT_EQ(calls.arena().use().in_use_bytes, 0U);
    const std::size_t reserved = calls.arena().use().reserved_bytes;
    calls.arena().allocate(Arena::kSlabBytes);  // all of a slab is one block again
    EXPECT_EQ(calls.arena().use().reserved_bytes, reserved);
  }
}

TEST(ArenaTest, TheSameCallsGiveTheSameAddresses) {
  EXPECT_EQ(RandomCalls(7).run(400), RandomCalls(7).run(400));
}

TEST(ArenaTest, ReservesRoomOnce) {
  Arena arena(cpu::huge_page_slabs());
  const std::size_t bytes = 3 * Arena::kSlabBytes;
  arena.reserve(bytes);
  const std::size_t reserved = arena.use().reserved_bytes;
  EXPECT_EQ(reserved, bytes);
  arena.reserve(bytes);
  arena.allocate(bytes);
  EXPECT_EQ(arena.use().reserved_bytes, reserved);
  arena.reserve(1);
  EXPECT_GT(arena.use().reserved_bytes, reserved);
}

}  // namespace
}  // namespace lockflight
