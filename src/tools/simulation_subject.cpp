#include "tools/simulation_subject.h"

#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "tools/auto_schedule.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_choice.h"
#include "tools/schedule_file.h"
#include "tools/split.h"

namespace lockflight::tools {
namespace {

constexpr int kRanks = 4;
constexpr int kMicroBatches = 8;
constexpr int kMostSteps = 1000;

void check_time(std::string_view name, double value) {
  if (!(value >= 0) || std::isinf(value)) {
    throw InvalidArgument(fmt::format("{} is {}; it must be a number of at least 0", name, value));
  }
}

void check(const SimulateOptions& options, std::string_view command) {
  if (options.schedule.empty()) {
    throw InvalidArgument(fmt::format(
        "{0}: which schedule? try lockflight {0} 1f1b, or the name of a file", command));
  }
  check_time("--forward", options.forward);
  check_time("--input-gradient", options.input_gradient);
  check_time("--weight-gradient", options.weight_gradient);
  check_time("--recompute-time", options.recompute);
  if (options.recompute > options.input_gradient) {
    throw InvalidArgument(
        fmt::format("--recompute-time is {}; it must be at most the {} of --input-gradient, of "
                    "which it is a part",
                    options.recompute, options.input_gradient));
  }
  check_time("--transfer", options.transfer);
  check_time("--host", options.host);
  if (options.steps < 1 || options.steps > kMostSteps) {
    throw InvalidArgument(
        fmt::format("--steps is {}; it must be from 1 to {}", options.steps, kMostSteps));
  }
}

EvenPipeline pipeline_of(const SimulateOptions& options, const schedule::PipelineSize& size) {
  return {.ranks = size.ranks,
          .micro_batches = size.micro_batches,
          .stages_per_rank = size.stages_per_rank,
          .times = {.forward = options.forward,
                    .input_gradient = options.input_gradient,
                    .weight_gradient = options.weight_gradient},
          .transfer = options.transfer};
}

plan::LowerOptions lowering(const SimulateOptions& options, bool optimizer_in_schedule,
                            int stages) {
  plan::LowerOptions lower = lower_options(optimizer_in_schedule);
  if (options.recompute > 0) {
    lower.recomputes.assign(static_cast<std::size_t>(stages), true);
  }
  return lower;
}

struct Subject {
  schedule::Schedule schedule;
  plan::Program program;
};

Subject named_or_read(const SimulateOptions& options) {
  if (is_schedule_file(options.schedule)) {
    if (options.group) {
      throw InvalidArgument(
          fmt::format("--group is of no use with a file such as {}; its order is already made",
                      options.schedule));
    }
    auto [file, program] = read_runnable_file(
        options.schedule,
        {.ranks = options.ranks, .micro_batches = options.micro_batches, .chunks = options.chunks},
        {.recompute = std::nullopt, .optimizer_in_schedule = options.optimizer_in_schedule});
    const bool in_schedule = options.optimizer_in_schedule || file.optimizer_in_schedule();
    if (in_schedule != file.optimizer_in_schedule() || options.recompute > 0) {
      program = plan::program_of(file.schedule, {},
                                 lowering(options, in_schedule, file.schedule.stages()));
    }
    return {.schedule = std::move(file.schedule), .program = std::move(program)};
  }
  const schedule::PipelineSize size{
      .ranks = options.ranks.value_or(kRanks),
      .micro_batches = options.micro_batches.value_or(kMicroBatches),
      .stages_per_rank = stages_per_rank(options.schedule, options.chunks),
      .group = options.group.value_or(0)};
  check_size(size);
  schedule::Schedule schedule = schedule::is_auto(options.schedule)
                                    ? auto_schedule(pipeline_of(options, size))
                                    : schedule::make_schedule(options.schedule, size);
  plan::Program program = plan::lower(
      schedule, {}, lowering(options, options.optimizer_in_schedule, schedule.stages()));
  return {.schedule = std::move(schedule), .program = std::move(program)};
}

// The options' times are those of a rank for one micro-batch, which the stages that it goes through
// share equally.
plan::StepCosts costs_of(const SimulateOptions& options, const schedule::Placement& placement) {
  plan::StepCosts costs{.link = {.latency = options.transfer}, .host = options.host};
  for (int stage = 0; stage < placement.stages(); ++stage) {
    const auto share = static_cast<double>(placement.stages_of(placement.rank_of(stage)).size() /
                                           placement.copies());
    costs.stages.push_back({.times = {.forward = options.forward / share,
                                      .input_gradient = options.input_gradient / share,
                                      .weight_gradient = options.weight_gradient / share},
                            .recompute = options.recompute / share});
  }
  return costs;
}

}  // namespace

SimulationSubject simulation_subject(const SimulateOptions& options, std::string_view command) {
  check(options, command);
  auto [schedule, program] = named_or_read(options);
  plan::StepCosts costs = costs_of(options, schedule.placement);
  return {
      .schedule = std::move(schedule), .program = std::move(program), .costs = std::move(costs)};
}

}  // namespace lockflight::tools
