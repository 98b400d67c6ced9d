#include "tools/plan_command.h"

#include <sstream>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/nn/named_model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/plan_json.h"
#include "lockflight/schedule/grid.h"
#include "plan/recomputing.h"
#include "tools/bytes.h"
#include "tools/check_options.h"
#include "tools/exit_code.h"
#include "tools/run_settings.h"
#include "tools/schedule_choice.h"
#include "tools/schedule_file.h"
#include "tools/split.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

constexpr std::int64_t kBytesVocabulary = 256;
constexpr int kMostDrawn = 32;  // actions of a rank: a longer drawing helps nobody

std::string as_text(const Plan& plan, const nn::Model& model, const Console& console) {
  std::ostringstream text;
  text << fmt::format("{:.2f} M parameters\n\n",
                      static_cast<double>(model.parameter_count()) * 1e-6)
       << plan;
  if (plan.schedule.actions(0).size() <= kMostDrawn && plan.ranks() <= kMostDrawn) {
    text << '\n'
         << schedule::draw_grid(plan.schedule, {.colour = console.colour,
                                                .columns = console.terminal ? console.columns : 0});
  }
  return text.str();
}

int refuse(const PlanCommandOptions& options, const PlanError& error, const Console& console) {
  if (options.json) {
    const nlohmann::ordered_json object = {{"refused", error.what()}};
    console.print(object.dump() + "\n");
  } else {
    console.print(fmt::format("refused: {}\n", error.what()));
  }
  return static_cast<int>(ExitCode::data);
}

// All that a plan with this schedule is to be made with again.
schedule::SavedSchedule saved_schedule(const Plan& plan, const nn::Model& model,
                                       bool optimizer_in_schedule) {
  using enum schedule::Choices::Recompute;
  schedule::SavedSchedule saved{.schedule = plan.schedule, .choices = {}};
  for (int part = 0; part < plan.schedule.placement.parts(); ++part) {
    saved.choices.layers.push_back(plan.stages[part].layers);
  }
  const std::vector<bool> recomputed = plan::recomputed_layers(model, plan.stages);
  for (int layer = 0; std::cmp_less(layer, recomputed.size()); ++layer) {
    if (recomputed[layer]) {
      saved.choices.recomputed.push_back(layer);
    }
  }
  saved.choices.recompute = saved.choices.recomputed.empty() ? never : listed;
  saved.choices.optimizer_in_schedule =
      optimizer_in_schedule && schedule::has_backward(plan.schedule);
  return saved;
}

}  // namespace

nn::Model model_of(const PlanCommandOptions& options) {
  if (!options.named.empty()) {
    return nn::find_model(options.named).build(options.named_context, dtype_of(options.model));
  }
  ModelOptions model = options.model;
  model.vocabulary = model.vocabulary == 0 ? kBytesVocabulary : model.vocabulary;
  return build_model(model);
}

PlanOptions options_of(const PlanCommandOptions& options, const nn::Model& model) {
  PlanOptions plan{.micro_batch = {.rows = options.micro_batch_rows},
                   .micro_batches = options.micro_batches,
                   .schedule = options.schedule,
                   .stages_per_rank = options.chunks.value_or(0),
                   .group = options.group,
                   .own_schedule = options.own_schedule,
                   .profile = std::nullopt,
                   .device = plan::device_profile(options.device_profile),
                   .memory_limit_bytes = parse_bytes("--memory", options.memory),
                   .optimizer_states = options.optimizer == "sgd" ? 1 : 2,
                   .lower = lower_options(options.optimizer_in_schedule)};
  if (options.memory.empty()) {
    plan.memory_limit_bytes = plan.device.memory_bytes;
  }
  set_choices(plan, options, static_cast<std::int64_t>(model.layers().size()));
  return plan;
}

int run_plan(const PlanCommandOptions& given, const Console& console) {
  PlanCommandOptions options = given;
  take_schedule_file(options);
  check(options);
  nn::Model model = model_of(options);
  try {
    const Plan plan = make_plan(model, options.ranks, options_of(options, model));
    if (!options.save_schedule.empty()) {
      train::replace_file(
          options.save_schedule,
          schedule_file_text(options.save_schedule,
                             saved_schedule(plan, model, options.optimizer_in_schedule)));
    }
    console.print(options.json ? plan_to_json(plan) : as_text(plan, model, console));
  } catch (const PlanError& error) {
    return refuse(options, error, console);
  }
  return static_cast<int>(ExitCode::success);
}

}  // namespace lockflight::tools
