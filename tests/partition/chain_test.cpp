#include "partition/chain.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/random.h"
#include "sanitized.h"

namespace lockflight::partition {
namespace {

constexpr std::uint64_t kRandomChains = lockflight::test::kSanitized ? 30 : 300;

constexpr std::int64_t kSteps = 100'000'000;

struct Size {
  int layers;
  int stages;
};

// Kinds of layers: equal, small whole numbers, uniform, far apart.
Problem random_chain(std::uint64_t seed, const Size& size) {
  Random random({.seed = seed});
  const auto below = [&](int bound) { return static_cast<int>(random.next_below(bound)); };
  Problem problem;
  const int kind = below(4);
  for (int i = 0; i < size.layers; ++i) {
    const double time = kind == 0   ? 1
                        : kind == 1 ? 1.0 + below(6)
                        : kind == 2 ? random.next_uniform()
                                    : std::exp(2 * random.next_normal());
    problem.layers.push_back({.forward = time,
                              .parameter_bytes = 10 + below(10),
                              .saved_bytes = below(5),
                              .transient_bytes = below(20),
                              .output_bytes = below(3)});
  }
  const bool unequal = below(2) == 0;
  const bool limited = below(2) == 0;
  const double limit = (1.2 + random.next_uniform()) * 15 * size.layers / size.stages + 20;
  for (int s = 0; s < size.stages; ++s) {
    problem.ranks.push_back(
        {.speed = unequal ? 1.0 + below(3) : 1,
         .memory_bytes = limited ? static_cast<std::int64_t>(limit) : kUnlimited});
    problem.in_flight.push_back((size.stages - s) * 4 / size.stages);
  }
  problem.rank_of_stage.resize(size.stages);
  std::iota(problem.rank_of_stage.begin(), problem.rank_of_stage.end(), 0);
  if (below(3) == 0) {
    problem.links.assign(problem.ranks.size() * size.stages, {.bytes_per_second = 4});
  }
  for (int k = below(4); k > 0; --k) {
    problem.together.push_back(below(size.layers - 1));
  }
  return problem;
}

std::vector<std::int64_t> memory_of(const Problem& problem) {
  std::vector<std::int64_t> memory;
  for (const Rank& rank : problem.ranks) {
    memory.push_back(rank.memory_bytes);
  }
  return memory;
}

bool possible(const Costs& costs, const Cuts& cuts, int stage, int begin, int end) {
  return cuts.allowed(begin) && cuts.allowed(end) &&
         costs.memory(stage, begin, end).bytes() <= costs.rank_at(stage).memory_bytes;
}

std::vector<Ticks> times_of(const Costs& costs, const std::vector<int>& cuts) {
  std::vector<Ticks> times;
  for (int s = 0; s < costs.stages(); ++s) {
    times.push_back(costs.time(s, cuts[s], cuts[s + 1]));
  }
  std::ranges::sort(times, std::greater<>());
  return times;
}

// The best list of times by dynamic programming without any bound; empty if there is none.
std::vector<Ticks> best_times(const Costs& costs, const Cuts& cuts) {
  const int layers = costs.layers();
  std::vector<std::vector<Ticks>> best(layers + 1);
  for (int s = 0; s < costs.stages(); ++s) {
    std::vector<std::vector<Ticks>> next(layers + 1);
    for (int end = s + 1; end <= layers; ++end) {
      for (int begin = s; begin < end; ++begin) {
        if ((s == 0 ? begin > 0 : best[begin].empty()) || !possible(costs, cuts, s, begin, end)) {
          continue;
        }
        std::vector<Ticks> times = best[begin];
        times.push_back(costs.time(s, begin, end));
        std::ranges::sort(times, std::greater<>());
        if (next[end].empty() || times < next[end]) {
          next[end] = std::move(times);
        }
      }
    }
    best = std::move(next);
  }
  return best[layers];
}

// The slowest stage of the best partition, in the same way.
Ticks best_slowest(const Costs& costs, const Cuts& cuts) {
  constexpr Ticks kNone = std::numeric_limits<Ticks>::max();
  std::vector<Ticks> best(costs.layers() + 1, kNone);
  best[0] = 0;
  for (int s = 0; s < costs.stages(); ++s) {
    std::vector<Ticks> next(best.size(), kNone);
    for (int end = s + 1; end <= costs.layers(); ++end) {
      for (int begin = end - 1; begin >= s; --begin) {
        if (!possible(costs, cuts, s, begin, end)) {
          continue;
        }
        const Ticks time = costs.time(s, begin, end);
        next[end] = std::min(next[end], std::max(time, best[begin]));
      }
    }
    best = std::move(next);
  }
  return best.back();
}

TEST(ChainTest, FindsTheBestListOfTimes) {
  int solved = 0;
  int unsolvable = 0;
  for (std::uint64_t seed = 0; seed < kRandomChains && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    Random random({.seed = seed, .step = 1});
    const int stages = 1 + static_cast<int>(random.next_below(20));
    const int layers = stages + 4 + static_cast<int>(random.next_below(60));
    const Problem problem = random_chain(seed, {.layers = layers, .stages = stages});
    const Costs costs(problem);
    const Cuts cuts(problem);
    const std::vector<Ticks> best = best_times(costs, cuts);
    const auto chain = solve_chain(costs, cuts, memory_of(problem), kSteps);
    ASSERT_EQ(chain.has_value(), !best.empty());
    EXPECT_EQ(any_chain(costs, cuts, memory_of(problem)).has_value(), !best.empty());
    if (chain) {
      EXPECT_TRUE(chain->proved);
      EXPECT_EQ(times_of(costs, chain->cuts), best);
    }
    (chain ? solved : unsolvable) += 1;
  }
  EXPECT_GT(solved, kRandomChains / 3);
  EXPECT_GT(unsolvable, kRandomChains / 30);
}

TEST(ChainTest, FindsTheSlowestStageOfLongChainsWithAnyNumberOfSteps) {
  for (std::uint64_t seed = 0; seed < kRandomChains / 10; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = random_chain(seed, {.layers = 700, .stages = 60});
    const Costs costs(problem);
    const Cuts cuts(problem);
    const Ticks slowest = best_slowest(costs, cuts);
    std::vector<Ticks> previous;
    for (const std::int64_t steps : {kSteps, std::int64_t{1'000'000}, std::int64_t{0}}) {
      const auto chain = solve_chain(costs, cuts, memory_of(problem), steps);
      ASSERT_EQ(chain.has_value(), slowest < std::numeric_limits<Ticks>::max());
      if (!chain) {
        continue;
      }
      const std::vector<Ticks> times = times_of(costs, chain->cuts);
      EXPECT_EQ(times.front(), slowest);
      EXPECT_TRUE(steps < kSteps || chain->proved);
      EXPECT_TRUE(previous.empty() || (chain->proved ? times == previous : times >= previous));
      previous = times;
      for (int s = 0; s < costs.stages(); ++s) {
        EXPECT_TRUE(possible(costs, cuts, s, chain->cuts[s], chain->cuts[s + 1]));
      }
    }
  }
}

}  // namespace
}  // namespace lockflight::partition
