#include "partition/recompute.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "lockflight/core/random.h"

namespace lockflight::partition {
namespace {

Problem one_rank(int layers, std::int64_t memory_bytes) {
  Problem problem;
  problem.layers.resize(layers);
  problem.ranks = {{.speed = 1, .memory_bytes = memory_bytes}};
  problem.rank_of_stage = {0};
  problem.in_flight = {2};
  problem.recompute = true;
  return problem;
}

struct Sum {
  std::int64_t bytes = 0;
  double seconds = 0;
};

Sum sum_of(const Problem& problem, const std::vector<int>& recomputed) {
  Sum sum;
  std::int64_t transient = 0;
  for (int i = 0; i < static_cast<int>(problem.layers.size()); ++i) {
    const Layer& layer = problem.layers[i];
    const bool again = std::ranges::find(recomputed, i) != recomputed.end();
    sum.bytes += 2 * (again ? layer.recomputed->saved_bytes : layer.saved_bytes);
    sum.seconds += again ? layer.recomputed->seconds : 0;
    transient =
        std::max(transient, again ? layer.recomputed->transient_bytes : layer.transient_bytes);
  }
  sum.bytes += transient;
  return sum;
}

// The least bytes of all choices, and the least seconds of those that fit.
Sum best_choice(const Problem& problem) {
  Sum best{.bytes = kUnlimited, .seconds = std::numeric_limits<double>::infinity()};
  for (unsigned set = 0; set < 1U << problem.layers.size(); ++set) {
    std::vector<int> recomputed;
    for (int i = 0; i < static_cast<int>(problem.layers.size()); ++i) {
      if ((set >> i) % 2 == 1 && problem.layers[i].recomputed) {
        recomputed.push_back(i);
      }
    }
    const Sum sum = sum_of(problem, recomputed);
    best.bytes = std::min(best.bytes, sum.bytes);
    if (sum.bytes <= problem.ranks[0].memory_bytes) {
      best.seconds = std::min(best.seconds, sum.seconds);
    }
  }
  return best;
}

Choice choose(const Problem& problem) {
  std::int64_t steps = 0;
  const int layers = static_cast<int>(problem.layers.size());
  return choose_recomputed(Costs(problem), 0, std::vector<Share>{{.stage = 0, .end = layers}},
                           problem.ranks[0].memory_bytes, steps);
}

TEST(ChooseRecomputedTest, FindsTheSameAsTryingAllChoices) {
  int fitting = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Random random({.seed = seed});
    const auto below = [&](int bound) { return static_cast<int>(random.next_below(bound)); };
    Problem problem = one_rank(1 + below(10), 20 + below(200));
    for (Layer& layer : problem.layers) {
      layer = {.forward = 1, .saved_bytes = below(20), .transient_bytes = below(30)};
      if (below(4) > 0) {
        layer.recomputed = {.seconds = static_cast<double>(below(10)),
                            .saved_bytes = below(12),
                            .transient_bytes = below(60)};
      }
    }
    const Choice choice = choose(problem);
    const Sum best = best_choice(problem);
    const Sum sum = sum_of(problem, choice.recomputed);
    EXPECT_TRUE(choice.proved);
    if (best.bytes <= problem.ranks[0].memory_bytes) {
      ++fitting;
      EXPECT_LE(sum.bytes, problem.ranks[0].memory_bytes) << "seed " << seed;
      EXPECT_EQ(sum.seconds, best.seconds) << "seed " << seed;
    } else {
      EXPECT_EQ(sum.bytes, best.bytes) << "seed " << seed;
      EXPECT_EQ(choice.bytes, best.bytes) << "seed " << seed;
    }
  }
  EXPECT_GT(fitting, 300);
}

TEST(ChooseRecomputedTest, ChoosesAmongManyEqualLayersAtOnce) {
  // 2 · 10 bytes less for each layer that is recomputed: 1,000 too many take 50 layers.
  Problem problem = one_rank(500, 500 * 2 * 15 + 7 - 1000);
  for (Layer& layer : problem.layers) {
    layer = {.forward = 1, .saved_bytes = 15, .transient_bytes = 7};
    layer.recomputed = {.seconds = 1, .saved_bytes = 5, .transient_bytes = 7};
  }
  const Choice choice = choose(problem);
  EXPECT_TRUE(choice.proved);
  EXPECT_EQ(choice.recomputed.size(), 50);
}

TEST(ChooseRecomputedTest, SaysWhenThereWasTooMuchToChooseFromAndStillFits) {
  Random random({.seed = 7});
  Problem problem = one_rank(300, 0);
  std::int64_t all = 0;
  for (Layer& layer : problem.layers) {
    layer = {.forward = 1,
             .saved_bytes = 1'000'000 + static_cast<std::int64_t>(random.next_below(1'000'000))};
    layer.recomputed = {.seconds = random.next_uniform(), .saved_bytes = 1000};
    all += 2 * layer.saved_bytes;
  }
  problem.ranks[0].memory_bytes = all / 2;
  const Choice choice = choose(problem);
  EXPECT_FALSE(choice.proved);
  EXPECT_LE(sum_of(problem, choice.recomputed).bytes, all / 2);
}

}  // namespace
}  // namespace lockflight::partition
