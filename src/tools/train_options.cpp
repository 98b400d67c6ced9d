#include "tools/train_options.h"

#include <algorithm>

#include <CLI/CLI.hpp>

#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kTrainFooter =
    "Example:\n"
    "  lockflight train --data input.txt --ranks 2 --schedule 1f1b --layers 6 --width 192 \\\n"
    "    --heads 6 --steps 300 --checkpoint model --trace trace.json --loss-curve loss.svg\n"
    "With --resume the model and what an update is made of come from the checkpoint; what is "
    "given\n"
    "besides overrides it. A file for --config has the options' names as keys: layers = 6";

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

}  // namespace lockflight::tools
