#include "lockflight/partition/solve.h"

#include <algorithm>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "partition/chain.h"
#include "partition/costs.h"
#include "partition/cuts.h"
#include "partition/search.h"

namespace lockflight::partition {
namespace {

bool one_stage_per_rank(const Problem& problem) {
  std::vector<int> ranks = problem.rank_of_stage;
  std::ranges::sort(ranks);
  return std::ranges::adjacent_find(ranks) == ranks.end();
}

bool may_recompute(const Problem& problem) {
  return problem.recompute && std::ranges::any_of(problem.layers, [](const Layer& layer) {
           return layer.recomputed.has_value();
         });
}

bool is_chain(const Problem& problem) {
  return one_stage_per_rank(problem) && !may_recompute(problem);
}

// What every stage's rank has, raised to `at_least`.
std::vector<std::int64_t> memory_of_stages(const Problem& problem, std::int64_t at_least = 0) {
  std::vector<std::int64_t> memory;
  for (const int rank : problem.rank_of_stage) {
    memory.push_back(std::max(problem.ranks[rank].memory_bytes, at_least));
  }
  return memory;
}

// What the ranks with less than their stages need must be raised to.
std::int64_t memory_needed(const Costs& costs, std::span<const int> cuts) {
  std::int64_t needed = 0;
  for (int s = 0; s < costs.stages(); ++s) {
    const std::int64_t bytes = costs.memory(s, cuts[s], cuts[s + 1]).bytes();
    needed = std::max(needed, bytes > costs.rank_at(s).memory_bytes ? bytes : 0);
  }
  return needed;
}

// By bisection: more memory never hurts.
Found least_memory_chain(const Costs& costs, const Cuts& cuts) {
  const Problem& problem = costs.problem();
  const auto with = [&](std::int64_t bytes) {
    return any_chain(costs, cuts, memory_of_stages(problem, bytes));
  };
  Found found{.cuts = *with(kUnlimited), .recomputed = {}, .proved = true};
  found.memory_bytes = memory_needed(costs, found.cuts);
  for (std::int64_t low = 0; low < found.memory_bytes;) {
    const std::int64_t bytes = low + (found.memory_bytes - low) / 2;
    if (auto better = with(bytes)) {
      found.cuts = *std::move(better);
      found.memory_bytes = memory_needed(costs, found.cuts);
    } else {
      low = bytes + 1;
    }
  }
  return found;
}

Partition make_partition(const Problem& problem, std::span<const int> cuts,
                         std::span<const int> recomputed) {
  Partition partition;
  for (std::size_t s = 0; s + 1 < cuts.size(); ++s) {
    partition.layers_of_stage.push_back(cuts[s + 1] - cuts[s]);
  }
  partition.recomputed.assign(problem.layers.size(), false);
  for (const int layer : recomputed) {
    partition.recomputed[layer] = true;
  }
  partition.loads = loads_of(problem, partition.layers_of_stage, partition.recomputed);
  return partition;
}

Partition make_partition(const Problem& problem, const Chain& chain) {
  Partition partition = make_partition(problem, chain.cuts, {});
  partition.slowest_proved = true;
  partition.proved_optimal = chain.proved;
  return partition;
}

// Whether the problem has a partition within memory, and whether that answer is proved.
struct Fits {
  bool fits;
  bool proved;
};

Fits fits(const Problem& problem, const Effort& effort) {
  const Costs costs(problem);
  const Cuts cuts(problem);
  if (is_chain(problem)) {
    return {.fits = any_chain(costs, cuts, memory_of_stages(problem)).has_value(), .proved = true};
  }
  const Found found = search(costs, cuts, Goal::any_that_fits, effort.steps);
  return {.fits = found.memory_bytes == 0, .proved = found.proved || found.memory_bytes == 0};
}

// The rank that decides how much memory is needed, and the layer with which it goes beyond its own.
void name_place(const Problem& problem, const Partition& partition, Misfit& misfit) {
  const auto decides = [&](const Load& load) { return load.bytes == misfit.smallest_memory_bytes; };
  misfit.rank = -1;
  for (std::size_t r = 0; r < partition.loads.size(); ++r) {
    if (decides(partition.loads[r]) && problem.ranks[r].memory_bytes < partition.loads[r].bytes) {
      misfit.rank = static_cast<int>(r);
    }
  }
  misfit.rank_memory_bytes = problem.ranks[misfit.rank].memory_bytes;
  const Costs costs(problem);
  Memory memory;
  int layer = 0;
  for (int s = 0; s < problem.stages(); ++s) {
    for (const int end = layer + partition.layers_of_stage[s]; layer < end; ++layer) {
      if (problem.rank_of_stage[s] == misfit.rank && memory.bytes() <= misfit.rank_memory_bytes) {
        memory.add(costs.memory_of(s, layer, partition.recomputed[layer]));
        misfit.layer = layer;
      }
    }
  }
}

// The most micro-batches in flight per stage that fit.
void find_in_flight(const Problem& problem, const Effort& effort, Misfit& misfit) {
  const auto with = [&](int most) {
    Problem fewer = problem;
    for (int& in_flight : fewer.in_flight) {
      in_flight = std::min(in_flight, most);
    }
    const Fits result = fits(fewer, effort);
    misfit.proved = misfit.proved && result.proved;
    return result.fits;
  };
  int low = 0;  // fits, if above 0
  int high = std::ranges::max(problem.in_flight);
  while (high - low > 1) {
    const int most = low + (high - low) / 2;
    (with(most) ? low : high) = most;
  }
  if (low > 0) {
    misfit.in_flight = low;
  }
}

Misfit make_misfit(const Problem& problem, const Found& found, const Effort& effort) {
  Misfit misfit{.smallest_memory_bytes = found.memory_bytes, .proved = found.proved};
  name_place(problem, make_partition(problem, found.cuts, found.recomputed), misfit);
  find_in_flight(problem, effort, misfit);
  Problem again = problem;
  again.recompute = true;
  if (!problem.recompute && may_recompute(again)) {
    const Fits result = fits(again, effort);
    misfit.recompute_fits = result.fits;
    misfit.proved = misfit.proved && result.proved;
  }
  return misfit;
}

std::variant<Partition, Misfit> solve_as_chain(const Costs& costs, const Cuts& cuts,
                                               const Effort& effort) {
  const Problem& problem = costs.problem();
  const auto chain = solve_chain(costs, cuts, memory_of_stages(problem), effort.steps);
  if (!chain) {
    return make_misfit(problem, least_memory_chain(costs, cuts), effort);
  }
  return make_partition(problem, *chain);
}

double slowest_of(const std::vector<Load>& loads) {
  return std::ranges::max(loads, {}, &Load::seconds).seconds;
}

// at_least: what the slowest rank takes in any case, if more is known than nothing.
std::variant<Partition, Misfit> solve_by_search(const Costs& costs, const Cuts& cuts,
                                                const Effort& effort, double at_least) {
  const Problem& problem = costs.problem();
  const Found found = search(costs, cuts, Goal::fastest, effort.steps);
  if (found.memory_bytes > 0) {
    return make_misfit(problem, found, effort);
  }
  Partition partition = make_partition(problem, found.cuts, found.recomputed);
  partition.slowest_proved = found.proved || slowest_of(partition.loads) <= at_least;
  partition.proved_optimal = found.proved;
  return partition;
}

}  // namespace

std::variant<Partition, Misfit> solve(const Problem& problem, const Effort& effort) {
  check(problem);
  const Costs costs(problem);
  const Cuts cuts(problem);
  if (is_chain(problem)) {
    return solve_as_chain(costs, cuts, effort);
  }
  double at_least = 0;
  if (one_stage_per_rank(problem)) {
    const auto unlimited =
        solve_chain(costs, cuts, memory_of_stages(problem, kUnlimited), effort.steps);
    if (memory_needed(costs, unlimited->cuts) == 0) {  // then there is nothing to recompute
      return make_partition(problem, *unlimited);
    }
    at_least = slowest_of(make_partition(problem, *unlimited).loads);
  }
  return solve_by_search(costs, cuts, effort, at_least);
}

std::string to_string(const Misfit& misfit) {
  std::string text = fmt::format(
      "no partition fits: rank {} needs {} bytes with layer {} and has {}, {} too few; {} bytes "
      "on every rank would do",
      misfit.rank, misfit.smallest_memory_bytes, misfit.layer, misfit.rank_memory_bytes,
      misfit.smallest_memory_bytes - misfit.rank_memory_bytes, misfit.smallest_memory_bytes);
  if (misfit.in_flight) {
    text += fmt::format(", or at most {} micro-batches in flight per stage", *misfit.in_flight);
  }
  if (misfit.recompute_fits) {
    text += ", or recomputing layers";
  }
  return text + (misfit.proved ? "" : " (perhaps less would, the search was cut short)");
}

}  // namespace lockflight::partition
