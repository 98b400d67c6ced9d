#include "lockflight/plan/plan.h"

#include <algorithm>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/estimate_profile.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/prove.h"
#include "lockflight/schedule/registry.h"
#include "plan/memory.h"
#include "plan/predict.h"
#include "plan/split_layers.h"

namespace lockflight {
namespace {

std::vector<StagePlan> make_stages(const nn::Model& model,
                                   const std::vector<plan::LayerProfile>& profile,
                                   const plan::Profile& costs, const std::vector<int>& split,
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
      stage.forward_seconds += costs.layers[i].seconds.forward;
      stage.input_gradient_seconds += costs.layers[i].seconds.input_gradient;
      stage.weight_gradient_seconds += costs.layers[i].seconds.weight_gradient;
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

void check_limit(const Plan& plan) {
  const std::string finding =
      plan.memory_limit_bytes == 0 ? "" : plan::beyond_limit(plan.memory, plan.memory_limit_bytes);
  if (!finding.empty()) {
    throw PlanError(
        finding + "; use more ranks, smaller or fewer micro-batches, or another schedule or split");
  }
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

Plan make_plan(nn::Model& model, int ranks, const PlanOptions& options) {
  if (options.micro_batch.rows < 1 || options.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("a step of {} micro-batches of {} rows; both must be at least 1",
                    options.micro_batches, options.micro_batch.rows));
  }
  const std::int64_t rows = options.micro_batch.rows;
  Plan plan;
  plan.batch_shape = {.micro_batch_rows = rows, .micro_batches = options.micro_batches};
  plan.memory_limit_bytes = options.memory_limit_bytes;
  plan.schedule =
      schedule::make_schedule(options.schedule, {.ranks = ranks,
                                                 .micro_batches = options.micro_batches,
                                                 .stages_per_rank = options.stages_per_rank});
  const auto layers = plan::dry_run(model, rows, schedule::has_backward(plan.schedule));
  if (options.profile) {
    plan::check_fits(*options.profile, model, rows, "profile");
  }
  const plan::Profile profile =
      options.profile ? *options.profile : plan::estimate_profile(layers, rows, options.device);
  plan.stages =
      make_stages(model, layers, profile, plan::split_layers(profile, plan.schedule, options),
                  plan.schedule.placement);
  plan.program = plan::lower(plan.schedule, plan::tied_stages(model, plan.stages), options.lower);
  plan::check_proved(plan.program);
  plan.memory = plan::memory_of(model, plan, options.optimizer_states);
  check_limit(plan);
  plan.prediction = plan::predict(plan, profile, options.device);
  return plan;
}

Plan make_plan(nn::Model& model, const World& world, const PlanOptions& options) {
  return make_plan(model, world.ranks(), options);
}

}  // namespace lockflight
