#include "lockflight/partition/problem.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "partition/costs.h"
#include "partition/cuts.h"

namespace lockflight::partition {
namespace {

constexpr double kMostBytes = 4e18;  // what 63 bits hold with some room

template <typename Value>
void check_number(std::string_view of, std::size_t index, std::string_view what, Value value) {
  if (!std::isfinite(static_cast<double>(value)) || value < 0) {
    throw InvalidArgument(
        fmt::format("{} {} has {} {}; it must be finite and not negative", of, index, what, value));
  }
}

void check_length(std::string_view what, std::size_t length, std::string_view per,
                  std::size_t expected) {
  if (length != expected) {
    throw InvalidArgument(
        fmt::format("{} {} for {} {}; give one for each", length, what, expected, per));
  }
}

void check_sizes(const Problem& problem) {
  if (problem.rank_of_stage.empty() || problem.layers.size() < problem.rank_of_stage.size()) {
    throw InvalidArgument(
        fmt::format("{} layers cannot be cut into {} stages; each stage needs one layer at least, "
                    "and there must be a stage",
                    problem.layers.size(), problem.rank_of_stage.size()));
  }
  check_length("numbers of micro-batches in flight", problem.in_flight.size(), "stages",
               problem.rank_of_stage.size());
  if (!problem.links.empty()) {
    check_length("links", problem.links.size(), "pairs of ranks",
                 problem.ranks.size() * problem.ranks.size());
  }
}

void check_layers(const std::vector<Layer>& layers) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    const Layer& layer = layers[i];
    check_number("layer", i, "forward seconds", layer.forward);
    check_number("layer", i, "input-gradient seconds", layer.input_gradient);
    check_number("layer", i, "weight-gradient seconds", layer.weight_gradient);
    check_number("layer", i, "parameter bytes", layer.parameter_bytes);
    check_number("layer", i, "saved bytes", layer.saved_bytes);
    check_number("layer", i, "transient bytes", layer.transient_bytes);
    check_number("layer", i, "output bytes", layer.output_bytes);
    if (layer.recomputed) {
      check_number("layer", i, "recomputing seconds", layer.recomputed->seconds);
      check_number("layer", i, "recomputed saved bytes", layer.recomputed->saved_bytes);
      check_number("layer", i, "recomputed transient bytes", layer.recomputed->transient_bytes);
    }
  }
}

void check_ranks(const Problem& problem) {
  for (std::size_t r = 0; r < problem.ranks.size(); ++r) {
    const Rank& rank = problem.ranks[r];
    if (!std::isfinite(rank.speed) || rank.speed <= 0) {
      throw InvalidArgument(
          fmt::format("rank {} has speed {}; it must be finite and above 0", r, rank.speed));
    }
    check_number("rank", r, "memory bytes", rank.memory_bytes);
  }
  for (std::size_t i = 0; i < problem.links.size(); ++i) {
    const Link& link = problem.links[i];
    check_number("link", i, "latency seconds", link.latency_seconds);
    if (!(link.bytes_per_second > 0)) {
      throw InvalidArgument(fmt::format("link {} has {} bytes per second; it must be above 0", i,
                                        link.bytes_per_second));
    }
  }
}

void check_stages(const Problem& problem) {
  for (int s = 0; s < problem.stages(); ++s) {
    const int rank = problem.rank_of_stage[s];
    if (rank < 0 || rank >= static_cast<int>(problem.ranks.size())) {
      throw InvalidArgument(fmt::format("stage {} is on rank {}; there are {} ranks from 0", s,
                                        rank, problem.ranks.size()));
    }
    check_number("stage", s, "micro-batches in flight", problem.in_flight[s]);
  }
}

void check_constraints(const Problem& problem) {
  const int layers = static_cast<int>(problem.layers.size());
  for (const int layer : problem.together) {
    if (layer < 0 || layer + 1 >= layers) {
      throw InvalidArgument(
          fmt::format("layers {} and {} are to stay together; there are {} layers from 0", layer,
                      layer + 1, layers));
    }
  }
  for (const Pin& pin : problem.pins) {
    if (pin.layer < 0 || pin.layer >= layers || pin.stage < 0 || pin.stage >= problem.stages()) {
      throw InvalidArgument(
          fmt::format("layer {} is to be on stage {}; there are {} layers and {} stages, each from "
                      "0",
                      pin.layer, pin.stage, layers, problem.stages()));
    }
  }
  const Cuts cuts(problem);
}

void check_sums(const Problem& problem) {
  if (!std::isfinite(most_seconds(problem))) {
    throw InvalidArgument(
        "the times are too large or the speeds too small to add up; use a larger unit");
  }
  double bytes = 0;
  const double in_flight = std::ranges::max(problem.in_flight);
  for (const Layer& layer : problem.layers) {
    const Recomputed other = layer.recomputed.value_or(Recomputed{});
    bytes += static_cast<double>(layer.parameter_bytes) +
             in_flight * static_cast<double>(std::max(layer.saved_bytes, other.saved_bytes)) +
             static_cast<double>(std::max(layer.transient_bytes, other.transient_bytes));
  }
  if (bytes > kMostBytes) {
    throw InvalidArgument(
        fmt::format("the layers need {} bytes in all; at most {} are possible", bytes, kMostBytes));
  }
}

}  // namespace

void check(const Problem& problem) {
  check_sizes(problem);
  check_layers(problem.layers);
  check_ranks(problem);
  check_stages(problem);
  check_constraints(problem);
  check_sums(problem);
}

std::vector<Load> loads_of(const Problem& problem, std::span<const int> layers_of_stage,
                           const std::vector<bool>& recomputed) {
  const Costs costs(problem);
  std::vector<Ticks> ticks(problem.ranks.size(), 0);
  std::vector<Memory> memory(problem.ranks.size());
  int layer = 0;
  for (int s = 0; s < problem.stages(); ++s) {
    const int end = layer + layers_of_stage[s];
    const int rank = costs.rank_of(s);
    ticks[rank] += costs.time(s, layer, end);
    for (; layer < end; ++layer) {
      const bool again = !recomputed.empty() && recomputed[layer];
      ticks[rank] += again ? costs.recomputing(rank, layer) : 0;
      memory[rank].add(costs.memory_of(s, layer, again));
    }
  }
  std::vector<Load> loads;
  for (std::size_t r = 0; r < problem.ranks.size(); ++r) {
    loads.push_back({.seconds = costs.seconds(ticks[r]), .bytes = memory[r].bytes()});
  }
  return loads;
}

}  // namespace lockflight::partition
