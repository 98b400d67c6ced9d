#include "tools/simulate_options.h"

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kSimulateFooter =
    "Examples:\n"
    "  lockflight simulate interleaved --ranks 4 --micro-batches 8 --chunks 2 --transfer 0.1\n"
    "  lockflight simulate schedule.csv --forward 1 --input-gradient 1.2 --weight-gradient 0.8\n"
    "Why a rank is idle: dependency (what it needs is not made yet), transfer (it is on its way),\n"
    "imbalance (another rank has more work), host (nothing is enqueued yet), tail (it has run its\n"
    "last action).";

}  // namespace

CLI::App* add_simulate(CLI::App& app, SimulateOptions& options) {
  CLI::App* simulate = app.add_subcommand("simulate", "Predict what a schedule's step takes");
  add_common(*simulate);
  simulate->footer(kSimulateFooter);
  add_step(*simulate, options, kUngrouped);
  simulate->add_flag("--json", options.json, "Print a JSON object");
  return simulate;
}

void add_step(CLI::App& app, SimulateOptions& options, const std::string& times) {
  app.add_option(
      "schedule", options.schedule,
      "A name of lockflight schedule --list, auto (searched for these times), or a file, "
      "as lockflight schedule --out writes it or torch.distributed.pipelining as .csv");
  app.add_option("--ranks", options.ranks, "Workers; 4, or as many as the file has");
  app.add_option("--micro-batches", options.micro_batches,
                 "Of one update; 8, or as many as the file has");
  app.add_option("--chunks", options.chunks,
                 "Stages per rank; as few as the schedule allows, or as many as the file has");
  app.add_option("--group", options.group, kGroupHelp);
  app.add_option("--forward", options.forward,
                 "Time of a rank's forward for one micro-batch; its stages share it equally")
      ->group(times);
  app.add_option("--input-gradient", options.input_gradient, "The same for I")->group(times);
  app.add_option("--weight-gradient", options.weight_gradient,
                 "The same for W; a whole backward takes both")
      ->group(times);
  app.add_option("--recompute-time", options.recompute,
                 "Of --input-gradient, the time of running a layer again while the gradient comes")
      ->group(times);
  app.add_option("--transfer", options.transfer, "Time of a transfer from one rank to another")
      ->group(times);
  app.add_option("--host", options.host, "Time in which a host enqueues an action")->group(times);
  app.add_option("--steps", options.steps, "Steps in a row");
  add_optimizer_in_schedule(app, options.optimizer_in_schedule);
}

}  // namespace lockflight::tools
