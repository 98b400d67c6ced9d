#include "tools/options.h"

#include <algorithm>
#include <initializer_list>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "tools/bench_options.h"
#include "tools/config_file.h"
#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kUngrouped = "Options";
constexpr const char* kPlan = "Plan";
constexpr const char* kTimes = "Times";

constexpr const char* kChunksHelp =
    "Stages of each rank; as few as the schedule allows if not given";
constexpr const char* kGroupHelp =
    "Micro-batches that go through a rank's stages together, with interleaved; 0: as many as ranks";

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

constexpr const char* kTrainFooter =
    "Example:\n"
    "  lockflight train --data input.txt --ranks 2 --schedule 1f1b --layers 6 --width 192 \\\n"
    "    --heads 6 --steps 300 --checkpoint model --trace trace.json --loss-curve loss.svg\n"
    "With --resume the model and what an update is made of come from the checkpoint; what is "
    "given\n"
    "besides overrides it. A file for --config has the options' names as keys: layers = 6";

constexpr const char* kPlanFooter =
    "Examples:\n"
    "  lockflight plan --model gpt3-175b --ranks 64 --micro-batches 128 --memory 80GiB\n"
    "  lockflight plan --layers 6 --width 384 --heads 6 --ranks 2 --device-profile cpu-2core\n"
    "Exit code 0: it fits and is proved; 65: refused, with the reason.";

constexpr const char* kSampleFooter =
    "Example:\n"
    "  lockflight sample --checkpoint model --prompt 'Once upon a time' --temperature 0.7 --top-k "
    "40";

constexpr const char* kScheduleFooter =
    "Examples:\n"
    "  lockflight schedule 1f1b --ranks 4 --micro-batches 8 --format csv\n"
    "  lockflight schedule --list";

constexpr const char* kProveFooter =
    "Example:\n"
    "  lockflight prove schedule.csv --placement v\n"
    "Exit code 0: proved; 65: refused, with the list of what is wrong. A file with computations "
    "only\n"
    "is proved as lockflight runs it; with --one-stream, with each receive right in front of the\n"
    "action that needs it and each send right behind the action that makes it.";
constexpr const char* kDevicesFooter =
    "Example:\n"
    "  lockflight devices --json\n"
    "Where CUDA cannot be used it says why.";

constexpr const char* kSimulateFooter =
    "Examples:\n"
    "  lockflight simulate interleaved --ranks 4 --micro-batches 8 --chunks 2 --transfer 0.1\n"
    "  lockflight simulate schedule.csv --forward 1 --input-gradient 1.2 --weight-gradient 0.8\n"
    "Why a rank is idle: dependency (what it needs is not made yet), transfer (it is on its way),\n"
    "imbalance (another rank has more work), host (nothing is enqueued yet), tail (it has run its\n"
    "last action).";

constexpr const char* kRenderFooter =
    "Examples:\n"
    "  lockflight render 1f1b --ranks 4 --micro-batches 8 -o 1f1b.svg\n"
    "  lockflight render schedule.csv --transfer 0.2 --transfers -o schedule.svg\n"
    "  lockflight render 1f1b --model gpt2-1.5b --device-profile a100 -o plan.svg\n"
    "Boxes are actions with the numbers of their micro-batches; beneath is what each rank keeps: "
    "in\n"
    "micro-batches, or in bytes where a model is given.";

constexpr const char* kScheduleHelp =
    "A name of lockflight schedule --list, auto (the fastest that fits the memory, searched for), "
    "or a file of torch.distributed.pipelining that ends in "
    ".csv: its ranks, stages and micro-batches are then the run's";

void add_update(CLI::App& app, UpdateOptions& update) {
  const char* group = "Training";
  app.add_option("--steps", update.steps, "Updates in all")->group(group);
  app.add_option("--micro-batches", update.micro_batches, "Micro-batches of one update")
      ->group(group);
  app.add_option("--micro-batch-rows", update.micro_batch_rows, "Rows of a micro-batch")
      ->group(group);
  app.add_option("--learning-rate", update.learning_rate, "Largest learning rate")->group(group);
  app.add_option("--learning-rate-floor", update.learning_rate_floor, "Where the cosine ends")
      ->group(group);
  app.add_option("--learning-rate-shape", update.learning_rate_shape,
                 "What follows the warm-up: cosine or constant")
      ->check(CLI::IsMember({"cosine", "constant"}))
      ->type_name("NAME")
      ->group(group);
  app.add_option("--warmup", update.warmup,
                 "Steps of linear warm-up; a tenth of the steps, at most 100, if not given")
      ->group(group);
  app.add_option("--clip", update.clip, "Largest norm of all gradients; 0: no limit")->group(group);
  app.add_option("--optimizer", update.optimizer, "adamw or sgd")
      ->check(CLI::IsMember({"adamw", "sgd"}))
      ->type_name("NAME")
      ->group(group);
  app.add_option("--weight-decay", update.weight_decay,
                 "Of matrices; 0.1 with adamw and 0 with sgd, if not given")
      ->group(group);
  app.add_option("--beta1", update.beta1, "Of adamw")->group(group);
  app.add_option("--beta2", update.beta2, "Of adamw")->group(group);
  app.add_option("--momentum", update.momentum, "Of sgd")->group(group);
  app.add_option("--seed", update.seed, "Of initial weights, batches and dropout")->group(group);
}

CLI::Option* add_recompute(CLI::App& app, std::string& recompute) {
  return app
      .add_option("--recompute", recompute,
                  "Layers that keep only their input, and run forward again before their "
                  "backward: never, when-needed (where --memory forces it) or always")
      ->check(CLI::IsMember({"never", "when-needed", "always"}))
      ->type_name("NAME");
}

CLI::Option* add_optimizer_in_schedule(CLI::App& app, bool& in_schedule) {
  return app.add_flag("--optimizer-in-schedule", in_schedule,
                      "Update without a barrier: each rank at once, to be put right if the norm of "
                      "all gradients asks for it; changes no bit");
}

void add_pipeline(CLI::App& app, TrainOptions& options) {
  const char* group = "Pipeline";
  app.add_option("--ranks", options.ranks, "Workers, each with one device")->group(group);
  app.add_option("--chunks", options.chunks, kChunksHelp)->group(group);
  app.add_option("--schedule", options.schedule, kScheduleHelp)
      ->type_name("NAME|FILE")
      ->group(group);
  app.add_option("--group", options.group, kGroupHelp)->group(group);
  app.add_option("--split", options.split,
                 "auto (by cost), even (by number), or layers for each stage: 1,3,2 counted in "
                 "transformer blocks, or in all 2·layers+3 layers (embedding, two halves of each "
                 "block, norm, head)")
      ->type_name("LIST")
      ->group(group);
  app.add_option("--memory", options.memory, "Most memory of a rank: 8GiB; none: no limit")
      ->type_name("SIZE")
      ->group(group);
  add_recompute(app, options.recompute)->group(group);
  add_optimizer_in_schedule(app, options.optimizer_in_schedule)->group(group);
  app.add_option("--profile", options.profile,
                 "What layers cost: measure (on this machine, first), estimate, or a file")
      ->type_name("NAME|FILE")
      ->group(group);
  app.add_flag("--dry-run", options.dry_run, "Print the plan and stop")->group(group);
  add_device(app, options.device)->group(group);
  app.add_option("--threads-per-rank", options.threads_per_rank,
                 "Threads that share the work of a rank; no result depends on it")
      ->group(group);
  app.add_option("--streams", options.streams,
                 "worker (one thread a rank, fast), threads (one a stream), or chaos (threads with "
                 "random delays, to find races)")
      ->check(CLI::IsMember({"worker", "threads", "chaos"}))
      ->type_name("NAME")
      ->group(group);
  app.add_option("--chaos-seed", options.chaos_seed, "Repeat the delays of a run with chaos")
      ->group(group);
  app.add_flag("--cuda-graph", options.cuda_graph,
               "Capture a step into a CUDA graph and launch that; not with dropout or --trace")
      ->group(group);
}

void add_outputs(CLI::App& app, TrainOptions& options) {
  const char* group = "Output";
  app.add_option("--validate-every", options.validate_every, "Steps between validations; 0: never")
      ->group(group);
  app.add_option("--validation-rows", options.validation_rows, "Held-out rows that are looked at")
      ->group(group);
  app.add_option("--log-every", options.log_every, "Steps between lines where there is no terminal")
      ->group(group);
  app.add_option("--checkpoint", options.checkpoint, "Save the model and all that training needs")
      ->type_name("DIR")
      ->group(group);
  app.add_option("--save-every", options.save_every, "Steps between saves; 0: only at the end")
      ->group(group);
  app.add_flag("--resume", options.resume, "Continue from the checkpoint, on any number of ranks")
      ->group(group);
  app.add_option("--stop-after", options.stop_after,
                 "Save and stop after this step, to be resumed later; 0: never")
      ->group(group);
  app.add_option("--trace", options.trace, "Write what every rank did when, for ui.perfetto.dev")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--trace-steps", options.trace_steps, "So many steps go into the trace")
      ->group(group);
  app.add_option("--loss-curve", options.loss_curve, "Draw the losses as SVG")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--loss-log", options.loss_log, "Write every loss, decimal and hexadecimal")
      ->type_name("FILE")
      ->group(group);
  app.add_option("--prompt", options.prompt, "What the sample at the end starts with")
      ->group(group);
  app.add_option("--sample-bytes", options.sample_bytes, "Length of the sample; 0: none")
      ->group(group);
  app.add_flag("--json", options.json, "Print one JSON object for each logged step, and a last one")
      ->group(group);
}

CLI::App* add_train(CLI::App& app, TrainOptions& options) {
  CLI::App* train = app.add_subcommand("train", "Train a GPT on a text or token file");
  add_common(*train);
  train->footer(kTrainFooter);
  train->add_option("--data", options.data, "A text, or uint16 tokens if the name ends in .bin")
      ->type_name("FILE");
  add_model(*train, options.model);
  add_pipeline(*train, options);
  add_update(*train, options.update);
  add_outputs(*train, options);
  return train;
}

// What a plan depends on besides schedule and size.
void add_planning(CLI::App& app, PlanCommandOptions& options, const char* group) {
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
                   "Write the plan's schedule as a file of torch.distributed.pipelining")
      ->type_name("FILE");
  add_planning(*plan, options, kUngrouped);
  plan->add_flag("--json", options.json, "Print the plan as JSON");
  return plan;
}

CLI::App* add_sample(CLI::App& app, SampleOptions& options) {
  CLI::App* sample = app.add_subcommand("sample", "Let a trained model write");
  add_common(*sample);
  sample->footer(kSampleFooter);
  sample->add_option("--checkpoint", options.checkpoint, "What train has saved")->type_name("DIR");
  sample->add_option("--prompt", options.prompt, "What the text starts with; a newline if empty");
  sample->add_option("--bytes", options.bytes, "How many bytes (tokens) to write");
  sample->add_option("--temperature", options.temperature,
                     "0: always the likeliest byte; 1: as the model has it");
  sample->add_option("--top-k", options.top_k, "Choose among the k likeliest only; 0: among all");
  sample->add_option("--seed", options.seed, "Of the choices");
  sample->add_option("--ranks", options.ranks, "Workers, each with one stage of the model");
  add_device(*sample, options.device);
  sample->add_option("--threads-per-rank", options.threads_per_rank,
                     "Threads that share the work of a rank");
  sample->add_flag("--json", options.json, "Print a JSON object");
  return sample;
}

CLI::App* add_schedule(CLI::App& app, ScheduleOptions& options, bool& json) {
  CLI::App* schedule = app.add_subcommand("schedule", "Print a pipeline schedule");
  add_common(*schedule);
  schedule->footer(kScheduleFooter);
  schedule->add_option("name", options.name,
                       "Which one; auto: searched for, with forwards, input and weight gradients "
                       "that take the same time");
  schedule->add_flag("--list", options.list, "List those that there are");
  schedule->add_option("--ranks", options.ranks, "Workers");
  schedule->add_option("--micro-batches", options.micro_batches, "Micro-batches of one update");
  schedule->add_option("--chunks", options.chunks, kChunksHelp);
  schedule->add_option("--group", options.group, kGroupHelp);
  schedule
      ->add_option("--format", options.format,
                   "grid (a drawing), csv (of torch.distributed.pipelining), csv-comms (the same "
                   "with the transfers) or json")
      ->check(CLI::IsMember({"grid", "csv", "csv-comms", "json"}))
      ->type_name("NAME");
  schedule->add_flag("--json", json, "The same as --format json");
  return schedule;
}

void add_prove(CLI::App& app, ProveOptions& options) {
  CLI::App* prove =
      app.add_subcommand("prove", "Prove that a schedule is complete, cannot deadlock or race");
  add_common(*prove);
  prove->footer(kProveFooter);
  prove->add_option("file", options.file, "CSV of torch.distributed.pipelining, either dialect");
  prove
      ->add_option("--placement", options.placement,
                   "What you expect: loop, v, or a file with the rank of each stage")
      ->type_name("loop|v|FILE");
  prove->add_flag("--one-stream", options.one_stream,
                  "All transfers of a rank share one stream, as in runtimes that have only one");
  prove->add_flag("--json", options.json, "Print a JSON object");
}

void add_step(CLI::App& app, SimulateOptions& options, const char* times) {
  app.add_option("schedule", options.schedule,
                 "A name of lockflight schedule --list, auto (searched for these times), or a file "
                 "of torch.distributed.pipelining that ends in .csv");
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

CLI::App* add_simulate(CLI::App& app, SimulateOptions& options) {
  CLI::App* simulate = app.add_subcommand("simulate", "Predict what a schedule's step takes");
  add_common(*simulate);
  simulate->footer(kSimulateFooter);
  add_step(*simulate, options, kUngrouped);
  simulate->add_flag("--json", options.json, "Print a JSON object");
  return simulate;
}

CLI::App* add_render(CLI::App& app, RenderOptions& options) {
  CLI::App* render = app.add_subcommand("render", "Draw a schedule's timetable as SVG");
  add_common(*render);
  render->footer(kRenderFooter);
  render->add_option("-o,--out", options.out, "Where to write it; standard output if not given")
      ->type_name("FILE");
  render->add_flag("--transfers", options.transfers, "Draw every transfer as an arrow");
  add_step(*render, options.step, kTimes);
  add_planning(*render, options.plan, kPlan);
  render->add_flag("--json", options.json, "Print a JSON object beside the picture's file");
  return render;
}

// An option of one of these groups that is given; none: "".
std::string given_of(const CLI::App& app, std::initializer_list<std::string> groups) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0 && std::ranges::find(groups, option->get_group()) != groups.end()) {
      return option->get_name();
    }
  }
  return "";
}

// Whether a plan gives the times.
bool asks_for_plan(const CLI::App& render) {
  const std::string plan = given_of(render, {"Model", kPlan});
  const std::string time = given_of(render, {kTimes});
  if (!plan.empty() && !time.empty()) {
    throw InvalidArgument(
        fmt::format("render: {} says how long actions take, and with {} a plan does; give one of "
                    "them",
                    time, plan));
  }
  return !plan.empty();
}

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

train::LearningRate UpdateOptions::learning_rates() const {
  using Shape = train::LearningRate::Shape;
  return {.shape = learning_rate_shape == "cosine" ? Shape::cosine : Shape::constant,
          .peak = learning_rate,
          .floor = learning_rate_floor,
          .warm_up_steps = warmup.value_or(std::min<std::int64_t>(100, steps / 10)),
          .steps = steps};
}

double UpdateOptions::decay() const {
  return weight_decay.value_or(optimizer == "adamw" ? 0.1 : 0.0);
}

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
