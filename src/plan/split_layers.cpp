#include "plan/split_layers.h"

#include <algorithm>
#include <numeric>
#include <utility>
#include <variant>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/solve.h"

namespace lockflight::plan {
namespace {

void check_split(const std::vector<int>& split, int layers, int stages) {
  const int sum = std::accumulate(split.begin(), split.end(), 0);
  if (static_cast<int>(split.size()) != stages || sum != layers || std::ranges::min(split) < 1) {
    throw InvalidArgument(fmt::format(
        "split {}: {} stages with {} layers in all; it needs {} stages, each of at least one "
        "layer, and {} layers in all",
        fmt::join(split, ","), split.size(), sum, stages, layers));
  }
}

partition::Layer layer_of(const LayerCost& cost, int optimizer_states) {
  const LayerMemory& memory = cost.memory;
  const std::size_t peak = std::max({memory.forward_peak_bytes, memory.input_gradient_peak_bytes,
                                     memory.weight_gradient_peak_bytes});
  const std::size_t saved = memory.saved_after_forward_bytes;
  return {
      .forward = cost.seconds.forward,
      .input_gradient = cost.seconds.input_gradient,
      .weight_gradient = cost.seconds.weight_gradient,
      .parameter_bytes = static_cast<std::int64_t>(memory.parameter_bytes) * (2 + optimizer_states),
      .saved_bytes = static_cast<std::int64_t>(saved),
      .transient_bytes = static_cast<std::int64_t>(peak > saved ? peak - saved : 0),
      .output_bytes = static_cast<std::int64_t>(cost.output_bytes)};
}

partition::Problem problem_of(const Profile& profile, const schedule::Schedule& schedule,
                              const PlanOptions& options) {
  partition::Problem problem;
  for (const LayerCost& cost : profile.layers) {
    problem.layers.push_back(layer_of(cost, options.optimizer_states));
  }
  problem.ranks.resize(static_cast<std::size_t>(schedule.ranks()));
  if (options.memory_limit_bytes != 0) {
    for (partition::Rank& rank : problem.ranks) {
      rank.memory_bytes = static_cast<std::int64_t>(options.memory_limit_bytes);
    }
  }
  for (int stage = 0; stage < schedule.stages(); ++stage) {
    problem.rank_of_stage.push_back(schedule.placement.rank_of(stage));
  }
  problem.in_flight = micro_batches_in_flight(schedule);
  const std::size_t links = problem.ranks.size() * problem.ranks.size();
  problem.links.assign(links, {.latency_seconds = options.device.link_latency_seconds,
                               .bytes_per_second = options.device.link_bytes_per_second});
  return problem;
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
      } else if (action.kind != schedule::ActionKind::input_gradient) {
        --now[action.stage];
      }
    }
  }
  return most;
}

std::vector<int> split_layers(const Profile& profile, const schedule::Schedule& schedule,
                              const PlanOptions& options) {
  const auto layers = static_cast<int>(profile.layers.size());
  if (!options.split.empty()) {
    check_split(options.split, layers, schedule.stages());
    return options.split;
  }
  if (schedule.stages() > layers) {
    throw InvalidArgument(
        fmt::format("{} stages on {} ranks for a model of {} layers; every stage needs at least "
                    "one layer",
                    schedule.stages(), schedule.ranks(), layers));
  }
  partition::Problem problem = problem_of(profile, schedule, options);
  auto answer = partition::solve(problem);
  if (!std::holds_alternative<partition::Partition>(answer)) {
    for (partition::Rank& rank : problem.ranks) {
      rank.memory_bytes = partition::kUnlimited;
    }
    answer = partition::solve(problem);
  }
  return std::get<partition::Partition>(std::move(answer)).layers_of_stage;
}

}  // namespace lockflight::plan
