#include "tools/plan_options.h"

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kPlanFooter =
    "Examples:\n"
    "  lockflight plan --model gpt3-175b --ranks 64 --micro-batches 128 --memory 80GiB\n"
    "  lockflight plan --layers 6 --width 384 --heads 6 --ranks 2 --device-profile cpu-2core\n"
    "Exit code 0: it fits and is proved; 65: refused, with the reason.";

}  // namespace

CLI::App* add_plan(CLI::App& app, PlanCommandOptions& options) {
  CLI::App* plan = app.add_subcommand("plan", "Say what a run will take, without the run");
  add_common(*plan);
  plan->footer(kPlanFooter);
  plan->add_option("--ranks", options.ranks, "Workers, each with one device");
  plan->add_option("--chunks", options.chunks, kChunksHelp);
  plan->add_option("--schedule", options.schedule, kScheduleHelp)->type_name("NAME|FILE");
  plan->add_option("--group", options.group, kGroupHelp);
  plan->add_option("--micro-batches", options.micro_batches, "Micro-batches of one update");
  add_optimizer_in_schedule(*plan, options.optimizer_in_schedule);
  plan->add_option("--save-schedule", options.save_schedule,
                   "Write the plan's schedule, with layers and recomputation, or if it ends in "
                   ".csv as a file of torch.distributed.pipelining")
      ->type_name("FILE");
  add_planning(*plan, options, kUngrouped);
  plan->add_flag("--json", options.json, "Print the plan as JSON");
  return plan;
}

void add_planning(CLI::App& app, PlanCommandOptions& options, const std::string& group) {
  add_published(app, options.named, options.named_context);
  add_model(app, options.model);
  app.add_option("--split", options.split, "auto (by cost), even (by number), or layers: 3,6,6")
      ->type_name("LIST")
      ->group(group);
  app.add_option("--micro-batch-rows", options.micro_batch_rows, "Rows of a micro-batch")
      ->group(group);
  app.add_option("--memory", options.memory, "Of a rank: 80GiB; the device's if not given")
      ->type_name("SIZE")
      ->group(group);
  add_recompute(app, options.recompute)->group(group);
  app.add_option("--device-profile", options.device_profile, "Of every rank: a name or a file")
      ->type_name("NAME|FILE")
      ->group(group);
  app.add_option("--optimizer", options.optimizer, "adamw or sgd")
      ->check(CLI::IsMember({"adamw", "sgd"}))
      ->type_name("NAME")
      ->group(group);
}

}  // namespace lockflight::tools
