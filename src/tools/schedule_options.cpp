#include "tools/schedule_options.h"

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kScheduleFooter =
    "Examples:\n"
    "  lockflight schedule 1f1b --ranks 4 --micro-batches 8 --format csv\n"
    "  lockflight schedule zb-v --ranks 4 --optimizer-in-schedule --out zb-v.lfs\n"
    "  lockflight schedule --list";

}  // namespace

CLI::App* add_schedule(CLI::App& app, ScheduleOptions& options, bool& json) {
  CLI::App* schedule = app.add_subcommand("schedule", "Print a pipeline schedule");
  add_common(*schedule);
  schedule->footer(kScheduleFooter);
  schedule->add_option("name", options.name,
                       "Which one, or a file; auto: searched for, with forwards, input and weight "
                       "gradients that take the same time");
  schedule->add_flag("--list", options.list, "List those that there are");
  schedule->add_option("--ranks", options.ranks, "Workers");
  schedule->add_option("--micro-batches", options.micro_batches, "Micro-batches of one update");
  schedule->add_option("--chunks", options.chunks, kChunksHelp);
  schedule->add_option("--group", options.group, kGroupHelp);
  schedule
      ->add_option("--format", options.format,
                   "grid (a drawing), text (lockflight's own), csv (of "
                   "torch.distributed.pipelining), csv-comms (the same with the transfers) or json")
      ->check(CLI::IsMember({"grid", "text", "csv", "csv-comms", "json"}))
      ->type_name("NAME");
  schedule
      ->add_option("-o,--out", options.out,
                   "Write it there, as csv if it ends in .csv, else as text, unless --format says "
                   "otherwise")
      ->type_name("FILE");
  add_recompute(*schedule, options.recompute);
  add_optimizer_in_schedule(*schedule, options.optimizer_in_schedule);
  schedule->add_flag("--json", json, "The same as --format json");
  return schedule;
}

}  // namespace lockflight::tools
