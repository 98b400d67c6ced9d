#include "lockflight/plan/plan.h"

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/partition/problem.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/estimate_profile.h"
#include "lockflight/plan/prove.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "plan/auto_plan.h"
#include "plan/memory.h"
#include "plan/planning.h"
#include "plan/predict.h"
#include "plan/recompute_ahead.h"
#include "plan/recomputing.h"
#include "plan/split_layers.h"

namespace lockflight {
namespace {

std::vector<StagePlan> make_stages(const nn::Model& model,
                                   const std::vector<plan::LayerProfile>& profile,
                                   const plan::Profile& costs, const plan::Split& split,
                                   const schedule::Placement& placement) {
  std::vector<StagePlan> stages;
  int layer = 0;
  for (const int layers : split.layers_of_stage) {
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
      if (split.recomputed[i]) {
        stage.input_gradient_seconds += costs.layers[i].seconds.forward;
        stage.recomputed.push_back(costs.layers[i].name);
      }
    }
    layer += layers;
    for (const TensorSpec& output : profile[layer - 1].outputs) {
      stage.boundary_bytes += layer == static_cast<int>(profile.size()) ? 0 : output.bytes();
    }
    stages.push_back(std::move(stage));
  }
  for (int stage = placement.parts(); stage < placement.stages(); ++stage) {
    StagePlan copy = stages[placement.part_of(stage)];
    copy.rank = placement.rank_of(stage);
    stages.push_back(std::move(copy));
  }
  return stages;
}

// In the first copy.
int stage_of(const std::vector<StagePlan>& stages, int layer) {
  const auto holds = [layer](const StagePlan& s) {
    return s.first_layer <= layer && layer < s.first_layer + s.layers;
  };
  return static_cast<int>(std::ranges::find_if(stages, holds) - stages.begin());
}

int layer_of(const nn::Model& model, const std::string& parameter) {
  const auto& layers = model.layers();
  const auto holds = [&](const nn::NamedLayer& named) {
    return std::ranges::any_of(named.layer->parameters(),
                               [&](const auto* p) { return p->name() == parameter; });
  };
  return static_cast<int>(std::ranges::find_if(layers, holds) - layers.begin());
}

// Of every layer what it takes of memory if it is recomputed, where it keeps less then.
std::vector<std::optional<plan::LayerMemory>> recomputed_memory(
    nn::Model& model, const std::vector<plan::LayerProfile>& plain, std::int64_t rows) {
  const plan::Recomputing all(model, std::vector<bool>(plain.size(), true));
  const auto recomputed = plan::dry_run(model, rows);
  std::vector<std::optional<plan::LayerMemory>> memory(plain.size());
  for (std::size_t i = 0; i < plain.size(); ++i) {
    if (recomputed[i].memory.saved_after_forward_bytes <
        plain[i].memory.saved_after_forward_bytes) {
      memory[i] = recomputed[i].memory;
    }
  }
  return memory;
}

schedule::Schedule schedule_of(const PlanOptions& options, int ranks) {
  if (!options.own_schedule) {
    return schedule::make_schedule(options.schedule, {.ranks = ranks,
                                                      .micro_batches = options.micro_batches,
                                                      .stages_per_rank = options.stages_per_rank,
                                                      .group = options.group});
  }
  if (options.own_schedule->ranks() != ranks) {
    throw InvalidArgument(fmt::format("schedule {} is for {} ranks, but the plan is for {}",
                                      options.own_schedule->name, options.own_schedule->ranks(),
                                      ranks));
  }
  return *options.own_schedule;
}

class Planner {
 public:
  Planner(nn::Model& model, int ranks, const PlanOptions& options)
      : model_(model),
        options_(options),
        schedule_(schedule_of(options, ranks)),
        layers_(plan::dry_run(model, options.micro_batch.rows, schedule::has_backward(schedule_))),
        profile_(profile()),
        recompute_(!schedule::has_backward(schedule_) ? Recomputation::never
                   : options.recomputed               ? Recomputation::always
                                                      : options.recompute),
        recomputed_(recompute_ == Recomputation::never
                        ? std::vector<std::optional<plan::LayerMemory>>(layers_.size())
                        : recomputed_memory(model, layers_, options.micro_batch.rows)) {}

  // With a prediction, whether or not it fits.
  Plan run() {
    Plan plan = recompute_ == Recomputation::when_needed ? plan_with_choice()
                                                         : make(split(recompute_, memory()));
    plan = plan::recompute_ahead(model_, std::move(plan), profile_, options_);
    plan.prediction = plan::predict(plan, profile_, options_.device);
    return plan;
  }

  Plan draft() {
    const Recomputation recompute =
        recompute_ == Recomputation::always ? Recomputation::always : Recomputation::never;
    Plan plan = lowered(split(recompute, memory()));
    plan.prediction = plan::predict(plan, profile_, options_.device);
    return plan;
  }

 private:
  plan::Profile profile() const {
    const std::int64_t rows = options_.micro_batch.rows;
    if (!options_.profile) {
      return plan::estimate_profile(layers_, rows, options_.device);
    }
    plan::check_fits(*options_.profile, model_, rows, "profile");
    return *options_.profile;
  }

  // Of every rank, for its layers.
  std::vector<std::int64_t> memory() const {
    const std::size_t limit = options_.memory_limit_bytes;
    const std::size_t left = limit - std::min(limit, workspace());
    return std::vector<std::int64_t>(
        schedule_.ranks(), limit == 0 ? partition::kUnlimited : static_cast<std::int64_t>(left));
  }

  std::size_t workspace() const { return plan::stream_workspace_bytes(options_.device.kind); }

  plan::Split split(Recomputation when, const std::vector<std::int64_t>& memory) const {
    return plan::split_layers({.profile = profile_,
                               .recomputed = recomputed_,
                               .schedule = schedule_,
                               .options = options_},
                              when, memory);
  }

  // The splitting goes by a profile that is not exact.  So the exact bytes of a plan that does not
  // fit correct what the next one is told to keep to; in the end everything is recomputed.
  Plan plan_with_choice() {
    constexpr int kMostCorrections = 5;
    plan::Split split = this->split(Recomputation::never, memory());
    Plan plan = make(split);
    for (int i = 1; i <= kMostCorrections && !plan::fits(plan); ++i) {
      const bool last = i == kMostCorrections;
      split = last ? this->split(Recomputation::always, memory())
                   : this->split(Recomputation::when_needed, corrected_memory(split, plan));
      plan = make(split);
    }
    return plan;
  }

  // What the profile would have to say for a rank that has just the limit.
  std::vector<std::int64_t> corrected_memory(const plan::Split& split, const Plan& plan) const {
    std::vector<std::int64_t> memory = this->memory();
    for (std::size_t rank = 0; rank < memory.size(); ++rank) {
      const auto exact = static_cast<std::int64_t>(plan.memory[rank].arena_bytes() - workspace());
      memory[rank] = std::max<std::int64_t>(0, memory[rank] + split.bytes[rank] - exact);
    }
    return memory;
  }

  // All but the prediction.
  Plan make(const plan::Split& split) {
    Plan plan = lowered(split);
    plan::check_proved(plan.program);
    const plan::Recomputing recomputing(model_, split.recomputed);
    plan.memory = plan::memory_of(model_, plan, options_);
    return plan;
  }

  // Stages and program.
  Plan lowered(const plan::Split& split) const {
    Plan plan{.stages = make_stages(model_, layers_, profile_, split, schedule_.placement),
              .schedule = schedule_,
              .program = {},
              .batch_shape = {.micro_batch_rows = options_.micro_batch.rows,
                              .micro_batches = schedule_.micro_batches},
              .memory = {},
              .memory_limit_bytes = options_.memory_limit_bytes,
              .prediction = {}};
    plan.program =
        plan::program_of(schedule_, plan::tied_stages(model_, plan.stages), options_.lower);
    return plan;
  }

  nn::Model& model_;
  const PlanOptions& options_;
  const schedule::Schedule schedule_;
  const std::vector<plan::LayerProfile> layers_;
  const plan::Profile profile_;
  const Recomputation recompute_;
  const std::vector<std::optional<plan::LayerMemory>> recomputed_;
};

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

Plan plan_in_any_memory(nn::Model& model, int ranks, const PlanOptions& options) {
  return Planner(model, ranks, options).run();
}

Plan draft_plan(nn::Model& model, int ranks, const PlanOptions& options) {
  return Planner(model, ranks, options).draft();
}

bool fits(const Plan& plan) {
  return plan.memory_limit_bytes == 0 || beyond_limit(plan.memory, plan.memory_limit_bytes).empty();
}

}  // namespace plan

Plan make_plan(nn::Model& model, int ranks, const PlanOptions& options) {
  if (options.micro_batch.rows < 1 || options.micro_batches < 1) {
    throw InvalidArgument(
        fmt::format("a step of {} micro-batches of {} rows; both must be at least 1",
                    options.micro_batches, options.micro_batch.rows));
  }
  if (!options.own_schedule && schedule::is_auto(options.schedule)) {
    return plan::auto_plan(model, ranks, options);
  }
  Plan plan = plan::plan_in_any_memory(model, ranks, options);
  if (!plan::fits(plan)) {
    throw PlanError(fmt::format(
        "{}; use more ranks, smaller or fewer micro-batches, {}another schedule or split",
        plan::beyond_limit(plan.memory, plan.memory_limit_bytes),
        options.recompute == Recomputation::never ? "recomputation, or " : "or "));
  }
  return plan;
}

Plan make_plan(nn::Model& model, const World& world, const PlanOptions& options) {
  PlanOptions here = options;
  here.device.kind = world.device(0).kind();
  here.cuda_transport = world.cuda_transport();
  return make_plan(model, world.ranks(), here);
}

}  // namespace lockflight
