#include "lockflight/plan/plan.h"

#include <algorithm>
#include <numeric>
#include <ostream>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/balance.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/lower.h"
#include "lockflight/schedule/registry.h"

namespace lockflight {
namespace {

void check_split(const std::vector<int>& split, int layers, int ranks) {
  const int sum = std::accumulate(split.begin(), split.end(), 0);
  if (static_cast<int>(split.size()) != ranks || sum != layers || std::ranges::min(split) < 1) {
    throw InvalidArgument(
        fmt::format("split {}: {} stages with {} layers in all; it needs one stage for each of the "
                    "{} ranks, each of at least one "
                    "layer, and {} layers in all",
                    fmt::join(split, ","), split.size(), sum, ranks, layers));
  }
}

std::vector<int> split_of(const PlanOptions& options,
                          const std::vector<plan::LayerProfile>& profile, int ranks) {
  const int layers = static_cast<int>(profile.size());
  if (!options.split.empty()) {
    check_split(options.split, layers, ranks);
    return options.split;
  }
  if (ranks > layers) {
    throw InvalidArgument(fmt::format(
        "{} ranks for a model of {} layers; every rank needs at least one layer", ranks, layers));
  }
  std::vector<double> costs;
  for (const plan::LayerProfile& layer : profile) {
    costs.push_back(plan::flops_of(layer.forward));
  }
  return partition::balance(costs, ranks);
}

std::vector<StagePlan> make_stages(const nn::Model& model,
                                   const std::vector<plan::LayerProfile>& profile,
                                   const std::vector<int>& split,
                                   const schedule::Placement& placement) {
  std::vector<StagePlan> stages;
  int layer = 0;
  for (const int layers : split) {
    StagePlan stage{.rank = placement.rank_of(static_cast<int>(stages.size())),
                    .first_layer = layer,
                    .layers = layers,
                    .first_name = model.layers()[layer].name,
                    .last_name = model.layers()[layer + layers - 1].name};
    for (int i = layer; i < layer + layers; ++i) {
      stage.parameters += profile[i].parameters;
      stage.forward_flops += plan::flops_of(profile[i].forward);
    }
    layer += layers;
    for (const TensorSpec& output : profile[layer - 1].outputs) {
      stage.boundary_bytes += layer == static_cast<int>(profile.size()) ? 0 : output.bytes();
    }
    stages.push_back(std::move(stage));
  }
  return stages;
}

int stage_of(const std::vector<StagePlan>& stages, int layer) {
  const auto after =
      std::ranges::find_if(stages, [layer](const StagePlan& s) { return s.first_layer > layer; });
  return static_cast<int>(after - stages.begin()) - 1;
}

int layer_of(const nn::Model& model, const std::string& parameter) {
  const auto& layers = model.layers();
  const auto holds = [&](const nn::NamedLayer& named) {
    return std::ranges::any_of(named.layer->parameters(),
                               [&](const auto* p) { return p->name() == parameter; });
  };
  return static_cast<int>(std::ranges::find_if(layers, holds) - layers.begin());
}

}  // namespace

namespace plan {

std::vector<TiedStages> tied_stages(const nn::Model& model, const std::vector<StagePlan>& stages) {
  std::vector<TiedStages> ties;
  for (const nn::Tie& tie : model.ties()) {
    ties.push_back({.first = stage_of(stages, layer_of(model, tie.first)),
                    .second = stage_of(stages, layer_of(model, tie.second))});
  }
  return ties;
}

}  // namespace plan

Plan make_plan(nn::Model& model, const World& world, const PlanOptions& options) {
  if (options.micro_batch.rows < 1 || options.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("a step of {} micro-batches of {} rows; both must be at least 1",
                    options.micro_batches, options.micro_batch.rows));
  }
  Plan plan;
  plan.batch_shape = {.micro_batch_rows = options.micro_batch.rows,
                      .micro_batches = options.micro_batches};
  plan.schedule = schedule::make_schedule(
      options.schedule, {.ranks = world.ranks(), .micro_batches = options.micro_batches});
  const auto profile = plan::dry_run(model, options.micro_batch.rows);
  const auto split = split_of(options, profile, world.ranks());
  plan.stages = make_stages(model, profile, split, plan.schedule.placement);
  plan.program = plan::lower(plan.schedule, plan::tied_stages(model, plan.stages));
  return plan;
}

std::ostream& operator<<(std::ostream& out, const Plan& plan) {
  double slowest = 0;
  for (const StagePlan& stage : plan.stages) {
    slowest = std::max(slowest, stage.forward_flops);
  }
  out << fmt::format("{:>5}  {:>4}  {:<44}  {:>12}  {:>11}  {:>6}  {:>12}\n", "stage", "rank",
                     "layers", "parameters", "GFLOP fwd", "load", "sends KiB");
  for (std::size_t s = 0; s < plan.stages.size(); ++s) {
    const StagePlan& stage = plan.stages[s];
    const std::string layers = stage.layers == 1 ? stage.first_name
                                                 : fmt::format("{} … {} ({})", stage.first_name,
                                                               stage.last_name, stage.layers);
    out << fmt::format("{:>5}  {:>4}  {:<44}  {:>12}  {:>11.3f}  {:>5.0f}%  {:>12.1f}\n", s,
                       stage.rank, layers, stage.parameters, stage.forward_flops * 1e-9,
                       slowest > 0 ? 100 * stage.forward_flops / slowest : 100.0,
                       static_cast<double>(stage.boundary_bytes) / 1024);
  }
  return out << fmt::format("schedule {}, {} micro-batches of {} rows a step\n", plan.schedule.name,
                            plan.batch_shape.micro_batches, plan.batch_shape.micro_batch_rows);
}

}  // namespace lockflight
