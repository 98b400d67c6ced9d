#include "device/cpu/team.h"

#include <atomic>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::cpu {
namespace {

class TeamTest : public testing::TestWithParam<int> {};

INSTANTIATE_TEST_SUITE_P(Threads, TeamTest, testing::Values(1, 2, 3, 5));

TEST_P(TeamTest, CallsTheBodyOnceForEveryIndex) {
  Team team(GetParam());
  EXPECT_EQ(team.size(), GetParam());
  for (const std::int64_t count : {0, 1, 2, 3, 7, 100, 1000}) {
    std::vector<int> calls(static_cast<std::size_t>(count));  // plain: the team orders all of it
    team.parallel_for(count, [&](std::int64_t i) { ++calls[static_cast<std::size_t>(i)]; });
    EXPECT_THAT(calls, testing::Each(1)) << count;
  }
}

TEST_P(TeamTest, MakesWhatOneCallWroteVisibleToTheNext) {
  constexpr std::int64_t kCells = 17;
  Team team(GetParam());
  std::vector<std::int64_t> cells(kCells);
  for (std::int64_t round = 0; round < 2000; ++round) {
    team.parallel_for(kCells, [&](std::int64_t i) {
      const std::int64_t neighbour = (i + round) % kCells;  // often written by another thread
      cells[static_cast<std::size_t>(neighbour)] += round;
    });
  }
  EXPECT_THAT(cells, testing::Each(2000 * 1999 / 2));
}

TEST_P(TeamTest, WakesHelpersThatSleep) {
  Team team(GetParam());
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));  // far longer than they spin
    std::atomic<int> calls = 0;
    team.parallel_for(10, [&](std::int64_t) { ++calls; });
    EXPECT_EQ(calls, 10);
  }
}

TEST_P(TeamTest, WaitsForAHelperThatIsSlow) {
  Team team(GetParam());
  std::atomic<int> done = 0;
  team.parallel_for(4, [&](std::int64_t) {
    std::this_thread::sleep_for(std::chrono::milliseconds(3));
    ++done;
  });
  EXPECT_EQ(done, 4);
}

TEST_P(TeamTest, RethrowsTheExceptionOfTheSmallestIndexAndWorksOn) {
  Team team(GetParam());
  for (int round = 0; round < 50; ++round) {
    try {
      team.parallel_for(20, [](std::int64_t i) {
        if (i % 7 == 3) {
          throw std::runtime_error(std::to_string(i));
        }
      });
      FAIL() << "nothing was thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_STREQ(error.what(), "3");
    }
  }
  std::atomic<int> calls = 0;
  team.parallel_for(20, [&](std::int64_t) { ++calls; });
  EXPECT_EQ(calls, 20);
}

TEST_P(TeamTest, MayBeCalledFromOneThreadAfterAnother) {
  Team team(GetParam());
  std::int64_t sum = 0;
  for (int caller = 0; caller < 5; ++caller) {
    std::thread([&] {
      std::vector<std::int64_t> squares(100);
      team.parallel_for(100, [&](std::int64_t i) { squares[static_cast<std::size_t>(i)] = i * i; });
      for (const std::int64_t square : squares) {
        sum += square;
      }
    }).join();
  }
  EXPECT_EQ(sum, 5 * 328350);
}

TEST(TeamTest, RefusesToHaveNoThreads) { EXPECT_THROW(Team(0), InvalidArgument); }

TEST(TeamTest, IsBuiltAndDestroyedUnused) {
  for (int round = 0; round < 100; ++round) {
    Team team(3);
  }
}

}  // namespace
}  // namespace lockflight::cpu
