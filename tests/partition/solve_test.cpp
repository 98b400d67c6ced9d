#include "lockflight/partition/solve.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <variant>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "partition/brute_force.h"
#include "sanitized.h"

namespace lockflight::partition {
namespace {

using test::Best;
using test::best_of_all;
using test::random_problem;
using test::Shape;
using test::stage_of_layers;
using testing::ElementsAre;

constexpr std::uint64_t kRandomProblems = lockflight::test::kSanitized ? 2'000 : 12'000;

// The problem with what is easy to get wrong: that the answer keeps all constraints and limits, and
// that the loads it claims are those it has.
test::Value value_of(const Problem& problem, const Partition& partition) {
  const std::vector<int> stage_of = stage_of_layers(partition.layers_of_stage);
  EXPECT_EQ(stage_of.size(), problem.layers.size());
  EXPECT_TRUE(test::keeps_constraints(problem, stage_of));
  for (std::size_t r = 0; r < problem.ranks.size(); ++r) {
    const Load load = test::load_of(problem, stage_of, static_cast<int>(r), partition.recomputed);
    EXPECT_EQ(partition.loads[r].seconds, load.seconds);
    EXPECT_EQ(partition.loads[r].bytes, load.bytes);
  }
  return test::value_of(problem, stage_of, partition.recomputed);
}

bool fits(const Problem& problem) {
  const auto best = best_of_all(problem);
  return best && best->value.memory_bytes == 0;
}

Problem with_memory(Problem problem, std::int64_t at_least) {
  for (Rank& rank : problem.ranks) {
    rank.memory_bytes = std::max(rank.memory_bytes, at_least);
  }
  return problem;
}

Problem with_in_flight(Problem problem, int at_most) {
  for (int& in_flight : problem.in_flight) {
    in_flight = std::min(in_flight, at_most);
  }
  return problem;
}

void expect_least(const Problem& problem, const Misfit& misfit, const Best& best) {
  EXPECT_TRUE(misfit.proved);
  EXPECT_EQ(misfit.smallest_memory_bytes, best.value.memory_bytes);
  EXPECT_EQ(problem.ranks[misfit.rank].memory_bytes, misfit.rank_memory_bytes);
  EXPECT_LT(misfit.rank_memory_bytes, misfit.smallest_memory_bytes);
  EXPECT_TRUE(fits(with_memory(problem, misfit.smallest_memory_bytes)));
  EXPECT_FALSE(fits(with_memory(problem, misfit.smallest_memory_bytes - 1)));
  if (misfit.in_flight) {
    EXPECT_TRUE(fits(with_in_flight(problem, *misfit.in_flight)));
  }
  EXPECT_FALSE(fits(with_in_flight(problem, misfit.in_flight.value_or(0) + 1)));
  Problem again = problem;
  again.recompute = true;
  EXPECT_EQ(misfit.recompute_fits, !problem.recompute && fits(again));
}

struct Counts {
  int partitions = 0;
  int misfits = 0;
  int contradictions = 0;
};

// Solves random problems and compares each answer with trying all partitions.
Counts compare_with_all(const Shape& shape, std::uint64_t cases) {
  Counts counts;
  for (std::uint64_t seed = 0; seed < cases && !testing::Test::HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = random_problem(seed, shape);
    const std::optional<Best> best = best_of_all(problem);
    if (!best) {
      EXPECT_THROW(solve(problem), InvalidArgument);
      ++counts.contradictions;
      continue;
    }
    const std::variant<Partition, Misfit> answer = solve(problem);
    if (const auto* partition = std::get_if<Partition>(&answer)) {
      EXPECT_EQ(value_of(problem, *partition), best->value);
      EXPECT_TRUE(partition->slowest_proved);
      EXPECT_TRUE(partition->proved_optimal);
      if (!shape.shared_ranks && !shape.recompute) {
        EXPECT_EQ(partition->layers_of_stage, best->layers_of_stage);
      }
      ++counts.partitions;
    } else {
      expect_least(problem, std::get<Misfit>(answer), *best);
      ++counts.misfits;
    }
  }
  return counts;
}

TEST(SolveTest, FindsTheSameAsTryingAllPartitionsWithOneStagePerRank) {
  const Counts counts = compare_with_all({}, kRandomProblems);
  EXPECT_GT(counts.partitions, kRandomProblems / 2);
  EXPECT_GT(counts.misfits, kRandomProblems / 20);
  EXPECT_GT(counts.contradictions, kRandomProblems / 50);
}

TEST(SolveTest, FindsTheSameAsTryingAllPartitionsWithSeveralStagesPerRank) {
  const Counts counts = compare_with_all({.shared_ranks = true}, kRandomProblems);
  EXPECT_GT(counts.partitions, kRandomProblems / 2);
  EXPECT_GT(counts.misfits, kRandomProblems / 20);
}

TEST(SolveTest, FindsTheSameAsTryingAllPartitionsAndAllChoicesOfRecomputedLayers) {
  for (const bool shared_ranks : {false, true}) {
    const Counts counts = compare_with_all(
        {.most_layers = 9, .shared_ranks = shared_ranks, .recompute = true}, kRandomProblems / 2);
    EXPECT_GT(counts.partitions, kRandomProblems / 4);
    EXPECT_GT(counts.misfits, kRandomProblems / 100);
  }
}

TEST(SolveTest, FindsTheSlowestRankOfFractionalCosts) {
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    Problem problem = random_problem(seed, {.most_layers = 10, .shared_ranks = seed % 2 == 0});
    Random random({.seed = seed});
    for (Layer& layer : problem.layers) {
      layer.forward = std::exp(4 * random.next_normal());
    }
    const std::optional<Best> best = best_of_all(problem);
    if (!best || best->value.memory_bytes > 0) {
      continue;
    }
    const auto partition = std::get<Partition>(solve(problem));
    double slowest = 0;
    for (const Load& load : partition.loads) {
      slowest = std::max(slowest, load.seconds);
    }
    EXPECT_NEAR(slowest / best->value.times.front(), 1.0, 1e-9) << "seed " << seed;
  }
}

TEST(SolveTest, ProvesOnlyWhatIsSoHoweverLittleItMayTry) {
  int unproved = 0;
  for (std::uint64_t seed = 0; seed < kRandomProblems / 4 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    const Problem problem = random_problem(
        seed, {.most_layers = 9, .shared_ranks = seed % 3 > 0, .recompute = seed % 3 > 1});
    const std::optional<Best> best = best_of_all(problem);
    if (!best) {
      continue;
    }
    const auto answer = solve(problem, {.steps = static_cast<std::int64_t>(seed % 200)});
    if (const auto* partition = std::get_if<Partition>(&answer)) {
      const test::Value value = value_of(problem, *partition);
      EXPECT_EQ(value.memory_bytes, 0);
      EXPECT_EQ(best->value.memory_bytes, 0);
      if (partition->slowest_proved) {
        EXPECT_EQ(value.times.front(), best->value.times.front());
      }
      if (partition->proved_optimal) {
        EXPECT_EQ(value, best->value);
      }
      EXPECT_TRUE(seed % 3 > 0 || partition->slowest_proved);
      unproved += partition->proved_optimal ? 0 : 1;
    } else if (std::get<Misfit>(answer).proved) {
      expect_least(problem, std::get<Misfit>(answer), *best);
    } else {
      EXPECT_TRUE(fits(with_memory(problem, std::get<Misfit>(answer).smallest_memory_bytes)));
    }
  }
  EXPECT_GT(unproved, kRandomProblems / 100);
}

Problem equal_problem(int layers, int stages) {
  Problem problem;
  problem.layers.assign(layers, {.forward = 1, .parameter_bytes = 10, .saved_bytes = 4});
  problem.ranks.resize(stages);
  problem.rank_of_stage.resize(stages);
  std::iota(problem.rank_of_stage.begin(), problem.rank_of_stage.end(), 0);
  problem.in_flight.assign(stages, 1);
  return problem;
}

TEST(SolveTest, GivesAFasterDeviceMoreLayersAndALimitedOneFewer) {
  Problem problem = equal_problem(12, 3);
  problem.ranks[1].speed = 2;
  EXPECT_THAT(std::get<Partition>(solve(problem)).layers_of_stage, ElementsAre(3, 6, 3));
  problem.ranks[1].memory_bytes = 56;  // four layers
  EXPECT_THAT(std::get<Partition>(solve(problem)).layers_of_stage, ElementsAre(4, 4, 4));
  problem.ranks[1].memory_bytes = 55;
  EXPECT_THAT(std::get<Partition>(solve(problem)).layers_of_stage, ElementsAre(5, 3, 4));
}

TEST(SolveTest, PutsTheLayersOfAScheduleWithManyInFlightWhereFewAre) {
  Problem problem = equal_problem(12, 3);
  problem.in_flight = {3, 2, 1};
  for (Rank& rank : problem.ranks) {
    rank.memory_bytes = 72;  // four layers of the stage in the middle
  }
  EXPECT_THAT(std::get<Partition>(solve(problem)).layers_of_stage, ElementsAre(3, 4, 5));
}

TEST(SolveTest, TellsWhatWouldFit) {
  Problem problem = equal_problem(12, 3);
  problem.in_flight = {6, 6, 6};
  for (Rank& rank : problem.ranks) {
    rank.memory_bytes = 100;
  }
  for (Layer& layer : problem.layers) {
    layer.recomputed = {.seconds = 1, .saved_bytes = 1, .transient_bytes = 4};
  }
  const auto misfit = std::get<Misfit>(solve(problem));
  EXPECT_EQ(to_string(misfit),
            "no partition fits: rank 2 needs 136 bytes with layer 10 and has 100, 36 too few; 136 "
            "bytes on every rank would do, or at most 3 micro-batches in flight per stage, or "
            "recomputing layers");
  problem.recompute = true;
  const auto partition = std::get<Partition>(solve(problem));
  EXPECT_THAT(partition.layers_of_stage, ElementsAre(4, 4, 4));
  // 136 − 18 · 2 + 4 are too many, so three of four.
  EXPECT_EQ(std::ranges::count(partition.recomputed, true), 9);
}

TEST(SolveTest, SolvesLargeProblems) {
  // The closed form for equal layers; the sum over all stages for the rest.
  const auto equal = std::get<Partition>(solve(equal_problem(10'000, 1024)));
  EXPECT_TRUE(equal.proved_optimal);
  EXPECT_EQ(std::ranges::count(equal.layers_of_stage, 10), 10'000 - 9 * 1024);
  EXPECT_EQ(std::ranges::count(equal.layers_of_stage, 9), 10 * 1024 - 10'000);

  Problem problem = equal_problem(10'000, 1024);
  Random random({.seed = 1});
  for (Layer& layer : problem.layers) {
    layer.forward = random.next_uniform();
  }
  const auto partition = std::get<Partition>(solve(problem));
  EXPECT_TRUE(partition.proved_optimal);
}

}  // namespace
}  // namespace lockflight::partition
