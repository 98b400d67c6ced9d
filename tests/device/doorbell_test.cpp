#include "device/cpu/doorbell.h"

#include <atomic>
#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace lockflight::cpu {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

class DoorbellTest : public testing::TestWithParam<int> {};  // how long to spin before sleeping

INSTANTIATE_TEST_SUITE_P(Spins, DoorbellTest, testing::Values(0, 100));

TEST_P(DoorbellTest, ReturnsAtOnceIfItRangSince) {
  Doorbell bell;
  const std::uint32_t seen = bell.epoch();
  bell.ring();
  EXPECT_TRUE(bell.wait_past(seen, GetParam(), hours(1)));
}

TEST_P(DoorbellTest, SaysWhenTheTimeIsUp) {
  Doorbell bell;
  EXPECT_FALSE(bell.wait_past(bell.epoch(), GetParam(), nanoseconds::zero()));
  EXPECT_FALSE(bell.wait_past(bell.epoch(), GetParam(), milliseconds(2)));
}

// Two threads pass a number to and fro; a ring that is lost would leave both asleep.
TEST_P(DoorbellTest, LosesNoRing) {
  constexpr int kRounds = 5000;
  Doorbell there;
  Doorbell back;
  std::atomic<int> number{0};
  const auto wait_for = [](Doorbell& bell, const std::atomic<int>& value, int wanted) {
    while (true) {
      const std::uint32_t seen = bell.epoch();
      if (value.load() >= wanted) {
        return true;
      }
      if (!bell.wait_past(seen, GetParam(), std::chrono::seconds(60))) {
        return false;
      }
    }
  };
  bool answered = true;
  std::thread partner([&] {
    for (int round = 0; round < kRounds && answered; ++round) {
      answered = wait_for(there, number, 2 * round + 1);
      ++number;
      back.ring();
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    ++number;
    there.ring();
    if (!wait_for(back, number, 2 * round + 2)) {
      ADD_FAILURE() << "no answer in round " << round;
      break;
    }
  }
  partner.join();
  EXPECT_TRUE(answered);
}

TEST_P(DoorbellTest, WakesEverybodyAndShowsWhatWasWritten) {
  Doorbell bell;
  int written = 0;  // plain: the ring orders it
  const std::uint32_t seen = bell.epoch();
  std::atomic<int> woken{0};
  std::vector<std::thread> sleepers;
  for (int i = 0; i < 3; ++i) {
    sleepers.emplace_back([&] {
      if (bell.wait_past(seen, GetParam(), std::chrono::seconds(60)) && written == 42) {
        ++woken;
      }
    });
  }
  written = 42;
  bell.ring();
  for (std::thread& sleeper : sleepers) {
    sleeper.join();
  }
  EXPECT_EQ(woken, 3);
}

}  // namespace
}  // namespace lockflight::cpu
