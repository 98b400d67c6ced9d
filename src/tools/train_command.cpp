#include "tools/train_command.h"

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>
#include <random>

#include <fmt/format.h>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/ops/matmul.h"
#include "lockflight/plan/measure_profile.h"
#include "lockflight/plan/plan.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/train/checkpoint.h"
#include "lockflight/train/optimizer.h"
#include "lockflight/train/sample.h"
#include "lockflight/train/text_dataset.h"
#include "tools/bytes.h"
#include "tools/check_options.h"
#include "tools/device_choice.h"
#include "tools/exit_code.h"
#include "tools/interrupt.h"
#include "tools/options.h"
#include "tools/prediction_check.h"
#include "tools/run_settings.h"
#include "tools/schedule_choice.h"
#include "tools/split.h"
#include "tools/text_sample.h"
#include "tools/train_outputs.h"
#include "tools/train_report.h"

namespace lockflight::tools {
namespace {

constexpr double kSampleTemperature = 0.8;
constexpr std::int64_t kMostInARow = 16;  // steps between two looks for a signal

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point begin) {
  return std::chrono::duration<double>(Clock::now() - begin).count();
}

// The options again, now laid over what the checkpoint says.
TrainOptions resumed_options(const std::vector<std::string>& arguments,
                             const std::string& checkpoint) {
  const RunSettings saved = read_settings(checkpoint);
  TrainOptions options = parse(arguments, {.model = saved.model, .update = saved.update}).train;
  // Weights and state are f32 in either case, so a run may go on in the other type.
  ModelOptions model = saved.model;
  model.dtype = options.model.dtype;
  if (options.model != model || options.update.optimizer != saved.update.optimizer) {
    throw InvalidArgument(
        fmt::format("--resume: {} is of another model or optimizer; leave these options out, they "
                    "come from the checkpoint",
                    checkpoint));
  }
  return options;
}

std::optional<std::uint64_t> chaos_seed_of(const TrainOptions& options) {
  if (options.streams != "chaos" || options.chaos_seed) {
    return options.chaos_seed;
  }
  return std::random_device()();
}

World make_world(const TrainOptions& options, DeviceKind device,
                 std::optional<std::uint64_t> chaos_seed) {
  return World::threads(
      {.ranks = options.ranks,
       .threads_per_rank = options.threads_per_rank,
       .streams = options.streams == "worker" ? StreamMode::worker : StreamMode::threads,
       .chaos_seed = chaos_seed,
       .device = device});
}

std::optional<plan::Profile> profile_of(const TrainOptions& options, nn::Model& model,
                                        World& world) {
  if (options.profile == "estimate") {
    return std::nullopt;
  }
  if (options.profile == "measure") {
    return plan::measure_profile(model, world.device(0), options.update.micro_batch_rows,
                                 {.integers_below = options.model.vocabulary});
  }
  return plan::load_profile(options.profile);
}

PlanOptions plan_options(const TrainOptions& options, nn::Model& model, World& world) {
  return {
      .micro_batch = {.rows = options.update.micro_batch_rows},
      .micro_batches = options.update.micro_batches,
      .schedule = options.schedule,
      .stages_per_rank = options.chunks.value_or(0),
      .group = options.group,
      .own_schedule = options.own_schedule,
      .split = parse_split(options.split, stages_of(options), layers_of_gpt(options.model.layers)),
      .profile = profile_of(options, model, world),
      .memory_limit_bytes = parse_bytes("--memory", options.memory),
      .recompute = parse_recompute(options.recompute),
      .optimizer_states = options.update.optimizer == "sgd" ? 1 : 2,
      .lower = lower_options(options.optimizer_in_schedule)};
}

std::unique_ptr<train::Optimizer> make_optimizer(const ParameterSet& parameters,
                                                 const UpdateOptions& update) {
  if (update.optimizer == "sgd") {
    return std::make_unique<train::Sgd>(
        parameters, train::SgdOptions{.learning_rate = static_cast<float>(update.learning_rate),
                                      .momentum = static_cast<float>(update.momentum),
                                      .weight_decay = static_cast<float>(update.decay()),
                                      .clip_norm = static_cast<float>(update.clip)});
  }
  return std::make_unique<train::AdamW>(
      parameters, train::AdamWOptions{.learning_rate = static_cast<float>(update.learning_rate),
                                      .beta1 = static_cast<float>(update.beta1),
                                      .beta2 = static_cast<float>(update.beta2),
                                      .weight_decay = static_cast<float>(update.decay()),
                                      .clip_norm = static_cast<float>(update.clip)});
}

class TrainRun {
 public:
  TrainRun(const TrainOptions& options, const Console& console)
      : options_(options),
        report_(options, console),
        data_(options.data, batch_shape(options),
              {.context = options.model.context,
               .vocabulary = options.model.vocabulary,
               .seed = options.update.seed,
               .validation_rows = options.validation_rows}),
        chaos_seed_(chaos_seed_of(options)),
        device_(choose_device(options.device)),
        world_(make_world(options, device_.kind, chaos_seed_)),
        pipeline_(make_pipeline(world_, options)),
        optimizer_(make_optimizer(pipeline_.parameters(), options.update)) {}

  int run() {
    const Interrupt interrupt;
    begin();
    while (step() < last_step_ && interrupt.signal() == 0) {
      if (options_.optimizer_in_schedule) {
        train_steps();
      } else {
        train_step();
      }
    }
    const int signal = interrupt.signal();
    finish(signal);
    return signal == 0 ? static_cast<int>(ExitCode::success) : exit_code_of_signal(signal);
  }

 private:
  static BatchShape batch_shape(const TrainOptions& options) {
    return {.micro_batch_rows = options.update.micro_batch_rows,
            .micro_batches = options.update.micro_batches};
  }

  static Pipeline make_pipeline(World& world, const TrainOptions& options) {
    nn::Model model = build_model(options.model);
    const Plan plan = make_plan(model, world, plan_options(options, model, world));
    return {world,
            std::move(model),
            plan,
            {.seed = options.update.seed,
             .timeline = !options.cuda_graph,
             .cuda_graph = options.cuda_graph}};
  }

  std::int64_t step() const { return pipeline_.step(); }
  bool measures() const { return !options_.cuda_graph; }

  void begin() {
    if (options_.resume) {
      train::load_checkpoint(options_.checkpoint, pipeline_, *optimizer_);
      saved_step_ = step();
    }
    first_step_ = step();
    last_step_ = options_.update.steps;
    if (options_.stop_after > 0) {
      last_step_ = std::min(last_step_, options_.stop_after);
    }
    outputs_.emplace(options_, first_step_);
    report_.begin(pipeline_.plan(), pipeline_.model().parameter_count(), data_.tokens());
    if (!device_.why.empty()) {
      report_.note(device_.why);
    }
    const std::string_view slow = ops::why_bf16_is_slow_on_cpu();
    if (!slow.empty() && device_.kind == DeviceKind::cpu &&
        dtype_of(options_.model) == DType::bf16) {
      report_.note(std::string(slow));
    }
    if (chaos_seed_) {
      report_.note(
          fmt::format("chaos: repeat this run's delays with --chaos-seed {}", *chaos_seed_));
    }
    if (options_.resume) {
      report_.note(fmt::format("resumed from {} after step {}", options_.checkpoint, first_step_));
    }
    begin_ = Clock::now();
  }

  void train_step() {
    const std::int64_t number = step();
    const auto begin = Clock::now();
    optimizer_->set_learning_rate(options_.update.learning_rates().at(number));
    loss_ = pipeline_.forward_backward(data_.at(pipeline_.step())).loss;
    optimizer_->step();
    seconds_ += seconds_since(begin);
    // The first step of a run warms caches up and tells nothing about the others.
    if (measures() && (number > first_step_ || number + 1 == options_.update.steps)) {
      idle_sum_ += pipeline_.timeline().idle_share();
      ++idle_steps_;
      prediction_check_.add(pipeline_.timeline());
    }
    outputs_->add_step(number, *loss_, pipeline_.timeline());
    validate_and_save();
    report_.step(progress());
  }

  // All up to where something is to be done between two steps, or to be shown.
  void train_steps() {
    std::vector<Batch> batches;
    std::vector<StepInput> inputs;
    const std::int64_t first = step();
    std::int64_t end = first;
    do {
      batches.push_back(data_.at(static_cast<std::uint32_t>(end++)));
    } while (end < last_step_ && !due(options_.validate_every, end) &&
             !due(options_.save_every, end) && !due(options_.log_every, end) &&
             end - first < kMostInARow);
    for (std::size_t i = 0; i < batches.size(); ++i) {
      const auto number = first + static_cast<std::int64_t>(i);
      inputs.push_back(
          {.batch = &batches[i], .learning_rate = options_.update.learning_rates().at(number)});
    }
    const auto begin = Clock::now();
    std::int64_t number = first;
    optimizer_->train(inputs, [&](const StepResult& result, double /*norm*/) {
      loss_ = result.loss;
      const Timeline timeline = pipeline_.timeline().of_step(static_cast<std::uint32_t>(number));
      prediction_check_.add(timeline);
      outputs_->add_step(number++, result.loss, timeline);
    });
    seconds_ += seconds_since(begin);
    idle_sum_ += pipeline_.timeline().idle_share();
    ++idle_steps_;
    validate_and_save();
    report_.step(progress());
  }

  bool due(std::int64_t every, std::int64_t step) const {
    return every > 0 && (step == last_step_ || step % every == 0);
  }

  void validate_and_save() {
    const auto due = [&](std::int64_t every) { return this->due(every, step()); };
    if (due(options_.validate_every) && data_.has_validation()) {
      validation_loss_ = pipeline_.evaluate(data_.validation());
      outputs_->add_validation(step(), *validation_loss_);
    }
    if (due(options_.save_every)) {
      save();
    }
  }

  void save() {
    train::save_checkpoint(options_.checkpoint, pipeline_, *optimizer_,
                           checkpoint_info({.model = options_.model, .update = options_.update}));
    saved_step_ = step();
  }

  train::ProgressState progress() const {
    const auto done = static_cast<double>(step() - first_step_);
    const auto tokens =
        static_cast<double>(pipeline_.plan().batch().rows() * options_.model.context);
    return {.step = step(),
            .steps = options_.update.steps,
            .loss = *loss_,
            .validation_loss = validation_loss_,
            .tokens_per_second = done * tokens / seconds_,
            .bubble = measures() ? std::optional(pipeline_.timeline().idle_share()) : std::nullopt,
            .seconds_left = train::time_left(first_step_, step(), options_.update.steps,
                                             seconds_since(begin_))};
  }

  std::string sample() {
    const std::int64_t vocabulary = options_.model.vocabulary;
    std::vector<std::int32_t> tokens = tokens_of(options_.prompt, vocabulary);
    const auto added = train::sample(pipeline_, tokens,
                                     {.tokens = options_.sample_bytes,
                                      .temperature = kSampleTemperature,
                                      .seed = options_.update.seed});
    tokens.insert(tokens.end(), added.begin(), added.end());
    std::string text;
    for (const std::int32_t token : tokens) {
      text += text_of(token, vocabulary);
    }
    return text;
  }

  void finish(int signal) {
    if (!options_.checkpoint.empty() && saved_step_ != step()) {
      save();
    }
    outputs_->close();
    report_.end(pipeline_.plan(), prediction_check_,
                {.steps = step(),
                 .loss = loss_,
                 .validation_loss = validation_loss_,
                 .measured_bubble =
                     idle_steps_ > 0 ? std::optional(idle_sum_ / static_cast<double>(idle_steps_))
                                     : std::nullopt,
                 .weights = pipeline_.weights_hash(),
                 .sample = signal == 0 && options_.sample_bytes > 0 ? std::optional(sample())
                                                                    : std::nullopt,
                 .files = outputs_->files(),
                 .signal = signal});
  }

  const TrainOptions& options_;
  TrainReport report_;
  train::TextDataset data_;
  std::optional<std::uint64_t> chaos_seed_;
  DeviceChoice device_;
  World world_;
  Pipeline pipeline_;
  std::unique_ptr<train::Optimizer> optimizer_;
  std::optional<TrainOutputs> outputs_;
  std::int64_t first_step_ = 0;
  std::int64_t last_step_ = 0;
  std::int64_t saved_step_ = -1;
  std::optional<float> loss_;
  std::optional<double> validation_loss_;
  Clock::time_point begin_;
  double seconds_ = 0;  // spent in steps, without validation and saving
  PredictionCheck prediction_check_;
  double idle_sum_ = 0;
  std::int64_t idle_steps_ = 0;
};

int print_plan(const TrainOptions& options, const Console& console) {
  World world = make_world(options, choose_device(options.device).kind, std::nullopt);
  nn::Model model = build_model(options.model);
  const Plan plan = make_plan(model, world, plan_options(options, model, world));
  TrainReport(options, console).begin(plan, model.parameter_count(), std::nullopt);
  return static_cast<int>(ExitCode::success);
}

}  // namespace

int run_train(const std::vector<std::string>& arguments, const TrainOptions& given,
              const Console& console) {
  check_run(given);
  TrainOptions options = given.resume ? resumed_options(arguments, given.checkpoint) : given;
  take_schedule_file(options);
  check(options);
  options.model.vocabulary = vocabulary_of(options);
  if (options.dry_run) {
    return print_plan(options, console);
  }
  return TrainRun(options, console).run();
}

}  // namespace lockflight::tools
