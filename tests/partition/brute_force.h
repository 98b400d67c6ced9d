// Partitions by trying all of them, and random small problems whose sums are exact in doubles.

#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/partition/problem.h"

namespace lockflight::partition::test {

/// All ways to cut, those with more layers in the first stages first.
inline std::vector<std::vector<int>> all_cuts(int layers, int stages) {
  if (stages == 1) {
    return {{layers}};
  }
  std::vector<std::vector<int>> cuts;
  for (int first = layers - stages + 1; first >= 1; --first) {
    for (std::vector<int> rest : all_cuts(layers - first, stages - 1)) {
      rest.insert(rest.begin(), first);
      cuts.push_back(std::move(rest));
    }
  }
  return cuts;
}

inline std::vector<int> stage_of_layers(const std::vector<int>& layers_of_stage) {
  std::vector<int> stage_of;
  for (std::size_t s = 0; s < layers_of_stage.size(); ++s) {
    stage_of.insert(stage_of.end(), layers_of_stage[s], static_cast<int>(s));
  }
  return stage_of;
}

inline bool keeps_constraints(const Problem& problem, const std::vector<int>& stage_of) {
  return std::ranges::all_of(problem.together,
                             [&](int layer) { return stage_of[layer] == stage_of[layer + 1]; }) &&
         std::ranges::all_of(problem.pins,
                             [&](const Pin& pin) { return stage_of[pin.layer] == pin.stage; });
}

/// One rank's load with a set of recomputed layers, straight from the words in problem.h.
inline Load load_of(const Problem& problem, const std::vector<int>& stage_of, int rank,
                    const std::vector<bool>& recomputed) {
  const int layers = static_cast<int>(problem.layers.size());
  const auto link = [&](int from, int to) {
    return from == to || problem.links.empty() ? Link{}
                                               : problem.links[from * problem.ranks.size() + to];
  };
  const auto transfer = [&](int from, int to, std::int64_t bytes) {
    return link(from, to).latency_seconds +
           static_cast<double>(bytes) / link(from, to).bytes_per_second;
  };
  Load load;
  std::int64_t transient = 0;
  for (int i = 0; i < layers; ++i) {
    const int s = stage_of[i];
    if (problem.rank_of_stage[s] != rank) {
      continue;
    }
    const Layer& layer = problem.layers[i];
    const double work = layer.forward + layer.input_gradient + layer.weight_gradient +
                        (recomputed[i] ? layer.recomputed->seconds : 0);
    load.seconds += work / problem.ranks[rank].speed;
    load.bytes +=
        layer.parameter_bytes +
        problem.in_flight[s] * (recomputed[i] ? layer.recomputed->saved_bytes : layer.saved_bytes);
    transient = std::max(transient,
                         recomputed[i] ? layer.recomputed->transient_bytes : layer.transient_bytes);
    if (i > 0 && stage_of[i - 1] != s) {
      load.seconds +=
          transfer(problem.rank_of_stage[s - 1], rank, problem.layers[i - 1].output_bytes);
    }
    if (i + 1 < layers && stage_of[i + 1] != s) {
      load.seconds += transfer(problem.rank_of_stage[s + 1], rank, layer.output_bytes);
    }
  }
  load.bytes += transient;
  return load;
}

/// memory_bytes is 0 if all fits, else what the ranks with less must be raised to; times are of all
/// ranks, descending.
struct Value {
  std::int64_t memory_bytes = 0;
  std::vector<double> times;

  auto operator<=>(const Value&) const = default;
};

inline Value value_of(const Problem& problem, const std::vector<int>& stage_of,
                      const std::vector<bool>& recomputed) {
  Value value;
  for (int rank = 0; rank < static_cast<int>(problem.ranks.size()); ++rank) {
    const Load load = load_of(problem, stage_of, rank, recomputed);
    value.times.push_back(load.seconds);
    if (load.bytes > problem.ranks[rank].memory_bytes) {
      value.memory_bytes = std::max(value.memory_bytes, load.bytes);
    }
  }
  std::ranges::sort(value.times, std::greater<>());
  return value;
}

/// The best of all choices of recomputed layers for these stages: ranks choose apart.
inline Value best_choice(const Problem& problem, const std::vector<int>& stage_of) {
  const int layers = static_cast<int>(problem.layers.size());
  if (!problem.recompute) {
    return value_of(problem, stage_of, std::vector<bool>(layers));
  }
  Value value;
  for (int rank = 0; rank < static_cast<int>(problem.ranks.size()); ++rank) {
    std::vector<int> may;
    for (int i = 0; i < layers; ++i) {
      if (problem.rank_of_stage[stage_of[i]] == rank && problem.layers[i].recomputed) {
        may.push_back(i);
      }
    }
    std::pair<std::int64_t, double> best{std::numeric_limits<std::int64_t>::max(), 0};
    for (unsigned set = 0; set < 1U << may.size(); ++set) {
      std::vector<bool> recomputed(layers);
      for (std::size_t k = 0; k < may.size(); ++k) {
        recomputed[may[k]] = (set >> k) % 2 == 1;
      }
      const Load load = load_of(problem, stage_of, rank, recomputed);
      const bool fits = load.bytes <= problem.ranks[rank].memory_bytes;
      best = std::min(best, std::pair(fits ? 0 : load.bytes, load.seconds));
    }
    value.memory_bytes = std::max(value.memory_bytes, best.first);
    value.times.push_back(best.second);
  }
  std::ranges::sort(value.times, std::greater<>());
  return value;
}

struct Best {
  std::vector<int> layers_of_stage;
  Value value;
};

/// Nothing if no partition keeps the constraints. Of equal ones that with the most layers in the
/// first stages.
inline std::optional<Best> best_of_all(const Problem& problem) {
  std::optional<Best> best;
  for (std::vector<int>& cut :
       all_cuts(static_cast<int>(problem.layers.size()), problem.stages())) {
    const std::vector<int> stage_of = stage_of_layers(cut);
    if (!keeps_constraints(problem, stage_of)) {
      continue;
    }
    Value value = best_choice(problem, stage_of);
    if (!best || value < best->value) {
      best = {.layers_of_stage = std::move(cut), .value = std::move(value)};
    }
  }
  return best;
}

struct Shape {
  int most_layers = 12;
  int most_stages = 6;
  bool shared_ranks = false;  ///< several stages per rank
  bool recompute = false;
};

/// A problem in whole numbers: times are multiples of 12 and speeds 1, 2, 3 or 4. Every second one
/// has many ties; links, memory limits, pins and layers that stay together come and go.
inline Problem random_problem(std::uint64_t seed, const Shape& shape) {
  Random random({.seed = seed});
  const auto below = [&](int bound) { return static_cast<int>(random.next_below(bound)); };
  Problem problem;
  const int layers = 1 + below(shape.most_layers);
  const int stages = 1 + below(std::min(layers, shape.most_stages));
  const int ranks = shape.shared_ranks ? 1 + below(stages) : stages;
  const int bound = seed % 2 == 0 ? 3 : 40;
  for (int i = 0; i < layers; ++i) {
    Layer layer{.forward = 12.0 * below(bound),
                .input_gradient = 12.0 * below(bound),
                .weight_gradient = 12.0 * below(bound),
                .parameter_bytes = below(20),
                .saved_bytes = below(10),
                .transient_bytes = below(12),
                .output_bytes = std::int64_t{2} * below(10)};
    if (below(2) == 0) {
      layer.recomputed = {
          .seconds = 12.0 * below(bound), .saved_bytes = below(5), .transient_bytes = below(20)};
    }
    problem.layers.push_back(layer);
  }
  const bool unequal = below(2) == 0;
  const int limit = 20 + below(2 * 30 * layers / ranks + 20);
  const bool limited = below(3) > 0;
  for (int r = 0; r < ranks; ++r) {
    Rank& rank = problem.ranks.emplace_back();
    rank.speed = unequal ? 1 + below(4) : 1;
    rank.memory_bytes = limited ? limit + (unequal ? below(40) : 0) : kUnlimited;
  }
  const int map = below(3);
  for (int s = 0; s < stages; ++s) {
    const int up_and_down = s % (2 * ranks) < ranks ? s % ranks : ranks - 1 - s % ranks;
    problem.rank_of_stage.push_back(map == 0 ? s % ranks : map == 1 ? up_and_down : below(ranks));
    problem.in_flight.push_back(below(2) == 0 ? stages - s : below(5));
  }
  if (!shape.shared_ranks) {
    std::iota(problem.rank_of_stage.begin(), problem.rank_of_stage.end(), 0);
    for (int s = stages - 1; map > 0 && s > 0; --s) {
      std::swap(problem.rank_of_stage[s], problem.rank_of_stage[below(s + 1)]);
    }
  }
  if (below(2) == 0) {
    for (int k = 0; k < ranks * ranks; ++k) {
      problem.links.push_back({.latency_seconds = static_cast<double>(below(30)),
                               .bytes_per_second = below(3) == 0
                                                       ? std::numeric_limits<double>::infinity()
                                                       : 1.0 / (1 + below(2))});
    }
  }
  for (int i = 0; i + 1 < layers; ++i) {
    if (below(10) == 0) {
      problem.together.push_back(i);
    }
  }
  if (below(3) == 0) {
    const int layer = below(layers);
    problem.pins.push_back(
        {.layer = layer, .stage = std::min(layer * stages / layers, stages - 1)});
  }
  problem.recompute = shape.recompute;
  return problem;
}

}  // namespace lockflight::partition::test
