#include "tools/render_command.h"

#include <filesystem>
#include <string>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/render.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/unroll.h"
#include "plan/memory_curve.h"
#include "plan/predict.h"
#include "tools/check_options.h"
#include "tools/plan_command.h"
#include "tools/schedule_choice.h"
#include "tools/simulation_subject.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

struct Drawn {
  schedule::Schedule schedule;
  plan::SimulatedStep step;
};

void check(const RenderOptions& options) {
  if (options.json && options.out.empty()) {
    throw InvalidArgument(
        "render: --json and the picture would both be printed; give the picture a file with -o");
  }
  if (options.planned && options.step.steps != 1) {
    throw InvalidArgument(
        fmt::format("render: --steps is {}, but of a plan one step is drawn; leave out --steps, or "
                    "give times in the place of a model",
                    options.step.steps));
  }
}

// By the times of the options.
Drawn simulated(const SimulateOptions& options) {
  auto [schedule, program, costs] = simulation_subject(options, "render");
  return {.schedule = std::move(schedule),
          .step = plan::simulate(plan::unroll(program, options.steps), costs,
                                 {.spans = true, .memory = true})};
}

// By what the model's layers take on the device, with the bytes of the plan's memory.
Drawn planned(const RenderOptions& options) {
  PlanCommandOptions wanted = options.plan;
  wanted.schedule = options.step.schedule;
  wanted.ranks = options.step.ranks.value_or(wanted.ranks);
  wanted.micro_batches = options.step.micro_batches.value_or(wanted.micro_batches);
  wanted.chunks = options.step.chunks;
  wanted.group = options.step.group.value_or(0);
  wanted.given = {.ranks = options.step.ranks,
                  .micro_batches = options.step.micro_batches,
                  .chunks = options.step.chunks};
  wanted.optimizer_in_schedule = options.step.optimizer_in_schedule;
  take_schedule_file(wanted);
  check(wanted);
  nn::Model model = model_of(wanted);
  const PlanOptions plan_options = options_of(wanted, model);
  Plan plan = make_plan(model, wanted.ranks, plan_options);
  plan::SimulatedStep step =
      plan::simulate(plan.program, plan::step_costs(plan, plan_options.device), {.spans = true});
  plan::set_memory(step, model, plan);
  return {.schedule = std::move(plan.schedule), .step = std::move(step)};
}

// The model and the device, where there are any.
std::string note_on(const RenderOptions& options) {
  if (!options.planned) {
    return {};
  }
  const std::string model = options.plan.named.empty()
                                ? fmt::format("a GPT of {} layers", options.plan.model.layers)
                                : options.plan.named;
  return fmt::format("{} on {}", model, options.plan.device_profile);
}

}  // namespace

void run_render(const RenderOptions& options, const Console& console) {
  check(options);
  auto [schedule, step] = options.planned ? planned(options) : simulated(options.step);
  schedule.name = std::filesystem::path(schedule.name).filename();
  const std::string picture = plan::render_svg(
      schedule, step,
      {.note = note_on(options), .seconds = options.planned, .transfers = options.transfers});
  if (options.out.empty()) {
    console.print(picture);
    return;
  }
  train::replace_file(options.out, picture);
  if (options.json) {
    nlohmann::ordered_json object = {
        {"file", options.out},           {"schedule", schedule.name},
        {"stages", schedule.stages()},   {"micro_batches", schedule.micro_batches},
        {"makespan", step.makespan},     {"idle_barrier", step.idle_barrier()},
        {"idle_span", step.idle_span()}, {"peak_activations", nlohmann::ordered_json::array()}};
    for (const plan::SimulatedRank& rank : step.ranks) {
      object["peak_activations"].push_back(rank.peak_activations);
    }
    console.print(object.dump() + "\n");
  }
}

}  // namespace lockflight::tools
