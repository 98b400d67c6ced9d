#include "tools/bench_steps.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "lockflight/comm/world.h"
#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/nn/named_model.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/measure_profile.h"
#include "lockflight/runtime/pipeline.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/train/optimizer.h"
#include "tools/bytes.h"
#include "tools/model_flops.h"
#include "tools/run_settings.h"

namespace lockflight::tools {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::int64_t kBytesVocabulary = 256;

std::int64_t vocabulary_of(const BenchOptions& options) {
  if (options.named.empty()) {
    return options.model.vocabulary == 0 ? kBytesVocabulary : options.model.vocabulary;
  }
  return std::visit([](const auto& published) { return published.vocabulary; },
                    nn::find_model(options.named).config);
}

nn::Model model_of(const BenchOptions& options) {
  if (!options.named.empty()) {
    return nn::find_model(options.named).build(options.named_context, dtype_of(options.model));
  }
  ModelOptions model = options.model;
  model.vocabulary = vocabulary_of(options);
  return build_model(model);
}

std::string model_name(const BenchOptions& options) {
  return !options.named.empty()
             ? options.named
             : fmt::format("GPT, {} layers, width {}, {} heads, context {}, vocabulary {}",
                           options.model.layers, options.model.width, options.model.heads,
                           options.model.context, vocabulary_of(options));
}

World make_world(const BenchResults& results, int ranks) {
  return World::threads({.ranks = ranks,
                         .threads_per_rank = results.options.threads_per_rank,
                         .device = results.machine.kind});
}

std::vector<HostTensor> random_rows(const std::vector<TensorSpec>& specs, std::int64_t rows,
                                    std::int64_t vocabulary) {
  Random random({.seed = 2});
  std::vector<HostTensor> tensors;
  for (const TensorSpec& spec : specs) {
    HostTensor& tensor = tensors.emplace_back(plan::with_rows(spec, rows));
    for (std::int32_t& token : tensor.as<std::int32_t>()) {
      token = static_cast<std::int32_t>(random.next_below(static_cast<std::uint64_t>(vocabulary)));
    }
  }
  return tensors;
}

std::size_t memory_limit(const BenchResults& results) {
  if (!results.options.memory.empty() || results.machine.kind != DeviceKind::cuda) {
    return parse_bytes("--memory", results.options.memory);
  }
  const auto& devices = results.machine.cuda.devices;
  return std::ranges::min_element(devices, {}, &CudaDeviceInfo::memory_bytes)->memory_bytes;
}

PlanOptions plan_options(const BenchResults& results, int ranks, const std::string& schedule,
                         const plan::DeviceProfile& device) {
  const BenchOptions& options = results.options;
  PlanOptions plan{.micro_batch = {.rows = options.micro_batch_rows},
                   .micro_batches = options.micro_batches,
                   .schedule = schedule,
                   .profile = results.layers,
                   .device = device,
                   .memory_limit_bytes = memory_limit(results)};
  plan.device.kind = results.machine.kind;
  if (ranks > static_cast<int>(results.machine.devices.size())) {
    plan.cuda_transport = CudaTransport::in_process;
  }
  const auto info =
      std::ranges::find(schedule::schedules(), schedule, &schedule::ScheduleInfo::name);
  if (info->several_stages) {
    plan.stages_per_rank = options.chunks;
  }
  return plan;
}

}  // namespace

std::vector<int> ranks_of(const BenchOptions& options, const BenchMachine& machine) {
  std::vector<int> ranks = listed_ranks(options);
  if (!ranks.empty()) {
    return ranks;
  }
  const int devices = machine.kind == DeviceKind::cuda
                          ? static_cast<int>(machine.devices.size())
                          : std::max(1, machine.cores / options.threads_per_rank);
  for (const int number : {1, 2, 4, 8}) {
    if (number <= devices) {
      ranks.push_back(number);
    }
  }
  return ranks;
}

StepBench::StepBench(BenchResults& results, const plan::DeviceProfile& device) : results_(results) {
  const BenchOptions& options = results_.options;
  nn::Model model = model_of(options);
  const std::int64_t rows = options.micro_batch_rows;
  const auto micro_batches = static_cast<double>(options.micro_batches);
  results_.model = {
      .name = model_name(options),
      .parameters = model.parameter_count(),
      .dtype = options.model.dtype,
      .step_flops = micro_batches * model_flops(model, rows),
      .step_tokens = options.micro_batches * rows * model.rows().inputs.front().shape.elements()};
  World world = make_world(results_, 1);
  results_.layers = plan::measure_profile(model, world.device(0), rows,
                                          {.integers_below = vocabulary_of(options)});
  plan_all(device);
}

void StepBench::plan_all(const plan::DeviceProfile& device) {
  nn::Model model = model_of(results_.options);
  std::optional<std::string> refused;  // why the first plan was
  for (const int ranks : ranks_of(results_.options, results_.machine)) {
    for (const std::string& schedule : listed_schedules(results_.options)) {
      const auto skip = [&](const std::exception& error) {
        results_.skipped.push_back({.ranks = ranks, .schedule = schedule, .why = error.what()});
      };
      try {
        Plan plan = make_plan(model, ranks, plan_options(results_, ranks, schedule, device));
        results_.runs.push_back({.ranks = ranks,
                                 .schedule = schedule,
                                 .stages_per_rank = plan.schedule.stages() / ranks,
                                 .predicted_step_seconds = plan.prediction.step_seconds,
                                 .predicted_idle_share = plan.prediction.idle_share});
        plans_.push_back(std::move(plan));
      } catch (const InvalidArgument& error) {
        skip(error);
      } catch (const PlanError& error) {
        refused = refused.value_or(error.what());
        skip(error);
      }
    }
  }
  if (results_.runs.empty()) {
    constexpr std::string_view kSentence = "bench: there is nothing to measure: {}";
    if (refused) {
      throw PlanError(fmt::format(kSentence, *refused));
    }
    throw InvalidArgument(fmt::format(kSentence, results_.skipped.front().why));
  }
}

void StepBench::run_round(int round) {
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    measure(results_.runs[i], plans_[i], round);
  }
}

int StepBench::most_ranks() const {
  return std::ranges::max_element(results_.runs, {}, &BenchRun::ranks)->ranks;
}

void StepBench::measure(BenchRun& run, const Plan& plan, int round) {
  const BenchOptions& options = results_.options;
  World world = make_world(results_, run.ranks);
  nn::Model model = model_of(options);
  const nn::RowSpecs rows = model.rows();
  Pipeline pipeline(world, std::move(model), plan);
  train::AdamW optimizer(pipeline.parameters());
  const std::int64_t vocabulary = vocabulary_of(options);
  const Batch batch{.inputs = random_rows(rows.inputs, plan.batch().rows(), vocabulary),
                    .targets = random_rows(rows.targets, plan.batch().rows(), vocabulary)};
  for (int step = -options.warmup; step < options.steps; ++step) {
    const auto begin = Clock::now();
    pipeline.forward_backward(batch);
    optimizer.step();
    const std::chrono::duration<double> seconds = Clock::now() - begin;
    if (step >= 0) {
      const Timeline& timeline = pipeline.timeline();
      run.samples.push_back({.round = round,
                             .step_seconds = seconds.count(),
                             .idle_share = timeline.idle_share(),
                             .overlapped_share = timeline.overlapped_share(),
                             .host_seconds_per_action = *timeline.host_ns_per_action() * 1e-9});
    }
  }
}

}  // namespace lockflight::tools
