#include "tools/options.h"

#include <algorithm>
#include <optional>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "tools/config_file.h"
#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kFooter =
    "Examples:\n"
    "  lockflight train --data input.txt --checkpoint model\n"
    "  lockflight plan --model gpt2-1.5b --ranks 8 --memory 80GiB\n"
    "  lockflight sample --checkpoint model --prompt 'Once upon a time'\n"
    "  lockflight schedule 1f1b --ranks 4 --micro-batches 8\n"
    "  lockflight prove schedule.csv\n"
    "  lockflight simulate 1f1b --ranks 4 --micro-batches 8 --transfer 0.1\n"
    "  lockflight render 1f1b --ranks 4 --micro-batches 8 -o 1f1b.svg\n"
    "  lockflight devices\n"
    "  lockflight bench --ranks 1,2 --schedules gpipe,1f1b\n"
    "Exit codes: 0 done, 64 bad usage or configuration, 65 bad data or checkpoint, 69 a device is\n"
    "missing or failed, 70 internal failure, 74 a file cannot be read or written, 130 interrupted\n"
    "(train saves and can resume)";

constexpr const char* kDevicesFooter =
    "Example:\n"
    "  lockflight devices --json\n"
    "Where CUDA cannot be used it says why.";

CLI::App* add_devices(CLI::App& app, DevicesOptions& options) {
  CLI::App* devices = app.add_subcommand("devices", "List what there is to run on");
  add_common(*devices);
  devices->footer(kDevicesFooter);
  devices->add_flag("--json", options.json, "Print a JSON object");
  return devices;
}

// Sets the options of the file that are not on the command line.
void apply_config(CLI::App& app) {
  const auto path = app.get_option("--config")->as<std::string>();
  for (const Setting& setting : read_config(path)) {
    CLI::Option* option = app.get_option_no_throw("--" + setting.key);
    const bool known = option != nullptr && setting.key != "config" && setting.key != "help";
    if (!known) {
      throw InvalidArgument(
          fmt::format("{}: line {}: there is no option \"{}\"; see lockflight {} --help", path,
                      setting.line, setting.key, app.get_name()));
    }
    if (option->count() > 0) {
      continue;
    }
    try {
      option->add_result(setting.value);
      option->run_callback();
    } catch (const CLI::Error& error) {
      throw InvalidArgument(fmt::format("{}: line {}: {}", path, setting.line, error.what()));
    }
  }
}

std::optional<int> given(const CLI::App& command, const std::string& option) {
  const CLI::Option* found = command.get_option(option);
  return found->count() > 0 ? std::optional(found->as<int>()) : std::nullopt;
}

GivenSize given_size(const CLI::App& command) {
  return {.ranks = given(command, "--ranks"),
          .micro_batches = given(command, "--micro-batches"),
          .chunks = given(command, "--chunks")};
}

// CLI11 would say no more than that a subcommand is missing.
void check_command(const CLI::App& app, const std::vector<std::string>& arguments) {
  const auto called = [&](const CLI::App* command) {
    return command->get_name() == arguments.front();
  };
  if (arguments.empty() || arguments.front().starts_with('-') ||
      std::ranges::any_of(app.get_subcommands({}), called)) {
    return;
  }
  throw InvalidArgument(
      fmt::format("there is no command \"{}\"; there are train, plan, sample, schedule, prove, "
                  "simulate, render, devices and bench",
                  arguments.front()));
}

// The subcommand, if the words come as far as that.
const CLI::App& asked_for(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : *chosen.front();
}

}  // namespace

Invocation parse(const std::vector<std::string>& arguments, const TrainOptions& train_defaults) {
  Invocation invocation{.train = train_defaults};
  bool schedule_as_json = false;
  CLI::App app("Pipeline-parallel training: plan, prove, run", "lockflight");
  app.set_help_flag("--help,-h", "Print this and exit");
  app.set_version_flag("--version", "lockflight " LOCKFLIGHT_VERSION);
  app.require_subcommand(1);
  app.footer(kFooter);
  CLI::App* train = add_train(app, invocation.train);
  CLI::App* plan = add_plan(app, invocation.plan);
  CLI::App* sample = add_sample(app, invocation.sample);
  CLI::App* schedule = add_schedule(app, invocation.schedule, schedule_as_json);
  add_prove(app, invocation.prove);
  CLI::App* simulate = add_simulate(app, invocation.simulate);
  CLI::App* render = add_render(app, invocation.render);
  CLI::App* devices = add_devices(app, invocation.devices);
  CLI::App* bench = add_bench(app, invocation.bench);
  check_command(app, arguments);
  try {
    app.parse(std::vector<std::string>(arguments.rbegin(), arguments.rend()));
  } catch (const CLI::CallForVersion& version) {
    invocation.help = std::string(version.what()) + "\n";
    return invocation;
  } catch (const CLI::Success&) {
    invocation.help = app.help();
    return invocation;
  } catch (const CLI::Error& error) {
    const CLI::App& chosen = asked_for(app);
    throw InvalidArgument(fmt::format("{}; see lockflight {}--help", error.what(),
                                      &chosen == &app ? "" : chosen.get_name() + " "));
  }
  CLI::App* chosen = app.get_subcommands().front();
  if (chosen->count("--config") > 0) {
    apply_config(*chosen);
  }
  if (chosen == train) {
    invocation.train.given = given_size(*train);
  } else if (chosen == plan) {
    invocation.plan.given = given_size(*plan);
  }
  if (schedule_as_json) {
    invocation.schedule.format = "json";
  }
  if (chosen == render) {
    invocation.render.planned = asks_for_plan(*render);
  }
  invocation.command = chosen == train      ? Command::train
                       : chosen == plan     ? Command::plan
                       : chosen == sample   ? Command::sample
                       : chosen == schedule ? Command::schedule
                       : chosen == simulate ? Command::simulate
                       : chosen == render   ? Command::render
                       : chosen == devices  ? Command::devices
                       : chosen == bench    ? Command::bench
                                            : Command::prove;
  return invocation;
}

}  // namespace lockflight::tools
