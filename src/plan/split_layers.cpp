#include "plan/split_layers.h"

#include <algorithm>
#include <charconv>
#include <numeric>
#include <string>
#include <system_error>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/solve.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::plan {
namespace {

// Of the search for what to recompute: seconds where it is hard.
constexpr partition::Effort kEffort{.steps = 10'000'000};

void check_split(const std::vector<int>& split, int layers, int stages) {
  const int sum = std::accumulate(split.begin(), split.end(), 0);
  if (static_cast<int>(split.size()) != stages || sum != layers || std::ranges::min(split) < 1) {
    throw InvalidArgument(fmt::format(
        "split {}: {} stages with {} layers in all; it needs {} stages, each of at least one "
        "layer, and {} layers in all",
        fmt::join(split, ","), split.size(), sum, stages, layers));
  }
}

// What a layer takes beside its parameters.
struct Kept {
  std::int64_t saved;
  std::int64_t transient;
};

Kept kept_by(const LayerMemory& memory) {
  const std::size_t peak = std::max({memory.forward_peak_bytes, memory.input_gradient_peak_bytes,
                                     memory.weight_gradient_peak_bytes});
  const std::size_t saved = memory.saved_after_forward_bytes;
  return {.saved = static_cast<std::int64_t>(saved),
          .transient = static_cast<std::int64_t>(peak > saved ? peak - saved : 0)};
}

partition::Layer layer_of(const LayerCost& cost, int optimizer_states) {
  const Kept kept = kept_by(cost.memory);
  return {.forward = cost.seconds.forward,
          .input_gradient = cost.seconds.input_gradient,
          .weight_gradient = cost.seconds.weight_gradient,
          .parameter_bytes =
              static_cast<std::int64_t>(cost.memory.parameter_bytes) +
              static_cast<std::int64_t>(cost.memory.gradient_bytes) * (1 + optimizer_states),
          .saved_bytes = kept.saved,
          .transient_bytes = kept.transient,
          .output_bytes = static_cast<std::int64_t>(cost.output_bytes)};
}

int number_of(const std::string& layer, const std::vector<LayerCost>& layers) {
  const auto found = std::ranges::find(layers, layer, &LayerCost::name);
  if (found != layers.end()) {
    return static_cast<int>(found - layers.begin());
  }
  int number = -1;
  const char* const end = layer.data() + layer.size();
  const auto [after, failure] = std::from_chars(layer.data(), end, number);
  if (failure != std::errc() || after != end || number < 0 ||
      std::cmp_greater_equal(number, layers.size())) {
    throw InvalidArgument(
        fmt::format("there is no layer '{}'; layers have the names {} … {}, or the numbers 0 to {}",
                    layer, layers.front().name, layers.back().name, layers.size() - 1));
  }
  return number;
}

void add_constraints(const SplitProblem& problem, partition::Problem& to) {
  const std::vector<LayerCost>& layers = problem.profile.layers;
  for (const LayerPin& pin : problem.options.pins) {
    to.pins.push_back({.layer = number_of(pin.layer, layers), .stage = pin.stage});
  }
  for (const LayerRange& range : problem.options.together) {
    const auto [first, last] =
        std::minmax({number_of(range.first, layers), number_of(range.last, layers)});
    for (int layer = first; layer < last; ++layer) {
      to.together.push_back(layer);
    }
  }
  int layer = 0;
  for (int stage = 0; std::cmp_less(stage, problem.options.split.size()); ++stage) {
    for (const int end = layer + problem.options.split[stage]; layer < end; ++layer) {
      to.pins.push_back({.layer = layer, .stage = stage});
    }
  }
}

// With two copies, ranks r and p − 1 − r hold the same two parts of the model, which keep as much
// on the one as on the other: so they are split as half as many ranks in V placement.
schedule::Placement placement_to_split(const schedule::Placement& placement) {
  return placement.copies() == 1 ? placement : schedule::Placement::v(placement.ranks() / 2);
}

int twin_of(int rank, const schedule::Schedule& schedule) {
  return schedule.placement.copies() == 1 ? rank : schedule.ranks() - 1 - rank;
}

partition::Problem partition_problem(const SplitProblem& problem,
                                     const std::vector<std::int64_t>& memory) {
  const PlanOptions& options = problem.options;
  const schedule::Schedule& schedule = problem.schedule;
  partition::Problem result;
  for (std::size_t i = 0; i < problem.profile.layers.size(); ++i) {
    const LayerCost& cost = problem.profile.layers[i];
    partition::Layer& layer = result.layers.emplace_back(layer_of(cost, options.optimizer_states));
    if (problem.recomputed[i]) {
      const Kept kept = kept_by(*problem.recomputed[i]);
      layer.recomputed = {.seconds = cost.seconds.forward,
                          .saved_bytes = kept.saved,
                          .transient_bytes = kept.transient};
    }
  }
  const schedule::Placement placement = placement_to_split(schedule.placement);
  for (int rank = 0; rank < placement.ranks(); ++rank) {
    result.ranks.push_back(
        {.memory_bytes = std::min(memory[rank], memory[twin_of(rank, schedule)])});
  }
  for (int stage = 0; stage < placement.stages(); ++stage) {
    result.rank_of_stage.push_back(placement.rank_of(stage));
  }
  result.in_flight = micro_batches_in_flight(schedule);
  result.in_flight.resize(result.rank_of_stage.size());
  const std::size_t links = result.ranks.size() * result.ranks.size();
  result.links.assign(links, {.latency_seconds = options.device.link_latency_seconds,
                              .bytes_per_second = options.device.link_bytes_per_second});
  add_constraints(problem, result);
  return result;
}

std::vector<bool> recomputable(const partition::Problem& problem) {
  std::vector<bool> marks;
  for (const partition::Layer& layer : problem.layers) {
    marks.push_back(layer.recomputed.has_value());
  }
  return marks;
}

std::vector<bool> listed(const std::vector<int>& recomputed, const SplitProblem& problem) {
  const std::vector<LayerCost>& layers = problem.profile.layers;
  std::vector<bool> marks(layers.size(), false);
  for (const int layer : recomputed) {
    if (layer < 0 || std::cmp_greater_equal(layer, layers.size())) {
      throw InvalidArgument(
          fmt::format("layer {} is to be recomputed, but the model has the layers 0 to {}", layer,
                      layers.size() - 1));
    }
    if (!problem.recomputed[layer]) {
      throw InvalidArgument(
          fmt::format("layer {} ({}) is to be recomputed, but it would keep no less; leave it out",
                      layer, layers[layer].name));
    }
    marks[layer] = true;
  }
  return marks;
}

// The best split with the marked layers recomputed, whether or not it fits the memory.
Split with_recomputed(const partition::Problem& problem, std::vector<bool> recomputed) {
  partition::Problem fixed = problem;
  for (std::size_t i = 0; i < recomputed.size(); ++i) {
    partition::Layer& layer = fixed.layers[i];
    if (recomputed[i]) {
      layer.forward += layer.recomputed->seconds;
      layer.saved_bytes = layer.recomputed->saved_bytes;
      layer.transient_bytes = layer.recomputed->transient_bytes;
    }
    layer.recomputed.reset();
  }
  auto answer = partition::solve(fixed);
  if (!std::holds_alternative<partition::Partition>(answer)) {
    for (partition::Rank& rank : fixed.ranks) {
      rank.memory_bytes = partition::kUnlimited;
    }
    answer = partition::solve(fixed);
  }
  Split split{.layers_of_stage = std::get<partition::Partition>(std::move(answer)).layers_of_stage,
              .recomputed = std::move(recomputed),
              .bytes = {}};
  for (const partition::Load& load :
       partition::loads_of(problem, split.layers_of_stage, split.recomputed)) {
    split.bytes.push_back(load.bytes);
  }
  return split;
}

}  // namespace

std::vector<int> micro_batches_in_flight(const schedule::Schedule& schedule) {
  std::vector<int> now(static_cast<std::size_t>(schedule.stages()));
  std::vector<int> most = now;
  if (!schedule::has_backward(schedule)) {
    return most;
  }
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    for (const schedule::Action& action : schedule.actions(rank)) {
      if (action.kind == schedule::ActionKind::forward) {
        most[action.stage] = std::max(most[action.stage], ++now[action.stage]);
      } else if (action.kind == schedule::ActionKind::backward ||
                 action.kind == schedule::ActionKind::weight_gradient) {
        --now[action.stage];
      }
    }
  }
  return most;
}

namespace {

Split split_folded(const SplitProblem& problem, Recomputation when,
                   const std::vector<std::int64_t>& memory) {
  const auto layers = static_cast<int>(problem.profile.layers.size());
  const schedule::Schedule& schedule = problem.schedule;
  const PlanOptions& options = problem.options;
  if (!options.split.empty()) {
    check_split(options.split, layers, schedule.placement.parts());
  } else if (schedule.placement.parts() > layers) {
    throw InvalidArgument(
        fmt::format("{} stages on {} ranks for a model of {} layers; every stage needs at least "
                    "one layer",
                    schedule.placement.parts(), schedule.ranks(), layers));
  }
  partition::Problem to_solve = partition_problem(problem, memory);
  if (when == Recomputation::when_needed) {
    to_solve.recompute = true;
    const auto answer = partition::solve(to_solve, kEffort);
    if (const auto* best = std::get_if<partition::Partition>(&answer)) {
      Split split{
          .layers_of_stage = best->layers_of_stage, .recomputed = best->recomputed, .bytes = {}};
      for (const partition::Load& load : best->loads) {
        split.bytes.push_back(load.bytes);
      }
      return split;
    }
    to_solve.recompute = false;
  }
  if (when == Recomputation::never) {
    return with_recomputed(to_solve, std::vector<bool>(to_solve.layers.size(), false));
  }
  return with_recomputed(
      to_solve, options.recomputed ? listed(*options.recomputed, problem) : recomputable(to_solve));
}

// What the order takes with this split if transfers take no time.
double step_seconds(const SplitProblem& problem, const Split& split) {
  const schedule::Placement& placement = problem.schedule.placement;
  std::vector<schedule::StageTimes> times(static_cast<std::size_t>(placement.stages()), {0, 0, 0});
  for (int stage = 0; stage < placement.stages(); ++stage) {
    const auto part = split.layers_of_stage.begin() + placement.part_of(stage);
    const int first = std::accumulate(split.layers_of_stage.begin(), part, 0);
    for (int layer = first; layer < first + *part; ++layer) {
      const LayerSeconds& seconds = problem.profile.layers[layer].seconds;
      times[stage].forward += seconds.forward;
      times[stage].input_gradient +=
          seconds.input_gradient + (split.recomputed[layer] ? seconds.forward : 0);
      times[stage].weight_gradient += seconds.weight_gradient;
    }
  }
  return schedule::make_timetable(problem.schedule, times).makespan();
}

// The best split for ranks with one part each, whatever the memory.
Split split_part_by_part(const partition::Problem& folded, const std::vector<bool>& recomputed) {
  partition::Problem apart = folded;
  const auto parts = static_cast<std::size_t>(folded.stages());
  apart.ranks.assign(parts, {.memory_bytes = partition::kUnlimited});
  std::iota(apart.rank_of_stage.begin(), apart.rank_of_stage.end(), 0);
  apart.links.assign(parts * parts, folded.links.front());
  Split split = with_recomputed(apart, recomputed);
  const auto loads = partition::loads_of(folded, split.layers_of_stage, split.recomputed);
  split.bytes.resize(loads.size());
  std::ranges::transform(loads, split.bytes.begin(), &partition::Load::bytes);
  return split;
}

// With two copies, the sum of a rank's two parts says how fast it works, and each of them how soon
// the others can begin and end: both kinds of even are tried.
Split split_for_two_copies(const SplitProblem& problem, Recomputation when,
                           const std::vector<std::int64_t>& memory) {
  Split by_rank = split_folded(problem, when, memory);
  const partition::Problem folded = partition_problem(problem, memory);
  Split by_part = split_part_by_part(folded, by_rank.recomputed);
  const bool fits = std::ranges::equal(by_part.bytes, folded.ranks, std::ranges::less_equal(), {},
                                       &partition::Rank::memory_bytes);
  return fits && step_seconds(problem, by_part) < step_seconds(problem, by_rank) ? by_part
                                                                                 : by_rank;
}

}  // namespace

Split split_layers(const SplitProblem& problem, Recomputation when,
                   const std::vector<std::int64_t>& memory) {
  Split split = problem.schedule.placement.copies() == 1
                    ? split_folded(problem, when, memory)
                    : split_for_two_copies(problem, when, memory);
  for (int rank = static_cast<int>(split.bytes.size()); rank < problem.schedule.ranks(); ++rank) {
    split.bytes.push_back(split.bytes[twin_of(rank, problem.schedule)]);
  }
  return split;
}

}  // namespace lockflight::plan
