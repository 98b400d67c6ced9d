// Compares History with one that keeps a list of all accesses of each byte.

#include "virtual_gpu/machine/history.h"

#include <cstddef>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace virtual_gpu {
namespace {

const std::string kName = "operation";

struct Seen {
  Mark who;
  bool writes;
};

class Naive {
 public:
  explicit Naive(std::size_t bytes) : bytes_(bytes) {}

  bool races(std::size_t begin, std::size_t end, bool writes, const Mark& who, const Clock& clock) {
    bool race = false;
    for (std::size_t i = begin; i < end; ++i) {
      for (const Seen& seen : bytes_[i]) {
        race |= (seen.writes || writes) && seen.who.stream != who.stream &&
                seen.who.time > clock.at(seen.who.stream);
      }
      if (writes) {
        bytes_[i].clear();  // what races with an older access than the last write was reported then
      }
      bytes_[i].push_back({who, writes});
    }
    return race;
  }
  void forget(std::size_t begin, std::size_t end) {
    for (std::size_t i = begin; i < end; ++i) {
      bytes_[i].clear();
    }
  }

 private:
  std::vector<std::vector<Seen>> bytes_;
};

TEST(HistoryTest, FindsTheSameRacesAsAListOfAllAccesses) {
  constexpr std::size_t kBytes = 40;
  constexpr std::size_t kStreams = 4;
  int races = 0;
  for (std::uint32_t seed = 0; seed < 200; ++seed) {
    std::mt19937 random(seed);
    const auto below = [&random](std::size_t n) { return random() % n; };
    History history;
    Naive naive(kBytes);
    std::vector<Clock> clocks(kStreams);
    std::vector<std::uint32_t> times(kStreams);
    for (int i = 0; i < 60; ++i) {
      const std::size_t begin = below(kBytes);
      const std::size_t end = begin + 1 + below(kBytes - begin);
      if (below(20) == 0) {
        history.forget(begin, end);
        naive.forget(begin, end);
        continue;
      }
      const std::size_t stream = below(kStreams);
      if (below(3) == 0) {
        clocks[stream].join(clocks[below(kStreams)]);
      }
      clocks[stream].set(stream, ++times[stream]);
      const Mark who{static_cast<std::uint32_t>(stream), times[stream], 0, &kName, &kName};
      const bool writes = below(2) == 0;
      const auto race = history.note(begin, end, writes, who, clocks[stream]);
      ASSERT_EQ(race.has_value(), naive.races(begin, end, writes, who, clocks[stream]))
          << "seed " << seed << ", access " << i;
      races += race ? 1 : 0;
    }
  }
  EXPECT_GT(races, 1000);
}

}  // namespace
}  // namespace virtual_gpu
