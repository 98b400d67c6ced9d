#include "tools/simulate_command.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/simulate.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/grid.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "tools/auto_schedule.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_file.h"
#include "tools/split.h"

namespace lockflight::tools {
namespace {

using plan::SimulatedStep;
using schedule::Schedule;

constexpr int kRanks = 4;
constexpr int kMicroBatches = 8;
constexpr int kMostSteps = 1000;

void check_time(std::string_view name, double value) {
  if (!(value >= 0) || std::isinf(value)) {
    throw InvalidArgument(fmt::format("{} is {}; it must be a number of at least 0", name, value));
  }
}

void check(const SimulateOptions& options) {
  if (options.schedule.empty()) {
    throw InvalidArgument(
        "simulate: which schedule? try lockflight simulate 1f1b, or the name of a CSV file");
  }
  check_time("--forward", options.forward);
  check_time("--input-gradient", options.input_gradient);
  check_time("--weight-gradient", options.weight_gradient);
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

RunnableFile subject_of(const SimulateOptions& options) {
  if (is_schedule_file(options.schedule)) {
    if (options.group) {
      throw InvalidArgument(
          fmt::format("--group is of no use with a file such as {}; its order is already made",
                      options.schedule));
    }
    RunnableFile file = read_runnable_file(
        options.schedule,
        {.ranks = options.ranks, .micro_batches = options.micro_batches, .chunks = options.chunks});
    if (options.optimizer_in_schedule) {
      file.program = plan::program_of(file.schedule, {}, lower_options(true));
    }
    return file;
  }
  const schedule::PipelineSize size{
      .ranks = options.ranks.value_or(kRanks),
      .micro_batches = options.micro_batches.value_or(kMicroBatches),
      .stages_per_rank = stages_per_rank(options.schedule, options.chunks),
      .group = options.group.value_or(0)};
  check_size(size);
  Schedule schedule = schedule::is_auto(options.schedule)
                          ? auto_schedule(pipeline_of(options, size))
                          : schedule::make_schedule(options.schedule, size);
  plan::Program program = plan::lower(schedule, {}, lower_options(options.optimizer_in_schedule));
  return {.schedule = std::move(schedule), .program = std::move(program)};
}

// The options' times are those of a rank, which its stages share equally.
plan::StepCosts costs_of(const SimulateOptions& options, const schedule::Placement& placement) {
  plan::StepCosts costs{.link = {.latency = options.transfer}, .host = options.host};
  for (int stage = 0; stage < placement.stages(); ++stage) {
    const auto share = static_cast<double>(placement.stages_of(placement.rank_of(stage)).size());
    costs.stages.push_back({.times = {.forward = options.forward / share,
                                      .input_gradient = options.input_gradient / share,
                                      .weight_gradient = options.weight_gradient / share}});
  }
  return costs;
}

// Of several steps in a row; what one more takes, or what the only one takes.
struct Row {
  int steps = 1;
  double step_time = 0;
  SimulatedStep all;
};

Row simulate_row(const plan::Program& program, const plan::StepCosts& costs, int steps) {
  Row row{.steps = steps, .all = plan::simulate(plan::unroll(program, steps), costs)};
  row.step_time =
      row.all.makespan -
      (steps == 1 ? 0.0 : plan::simulate(plan::unroll(program, steps - 1), costs).makespan);
  return row;
}

nlohmann::ordered_json as_json(const Schedule& schedule, const Row& row) {
  const SimulatedStep& step = row.all;
  nlohmann::ordered_json peaks = nlohmann::ordered_json::array();
  nlohmann::ordered_json ranks = nlohmann::ordered_json::array();
  for (const plan::SimulatedRank& rank : step.ranks) {
    peaks.push_back(rank.peak_activations);
    ranks.push_back({{"busy", rank.busy},
                     {"idle",
                      {{"dependency", rank.idle.dependency},
                       {"transfer", rank.idle.transfer},
                       {"imbalance", rank.idle.imbalance},
                       {"host", rank.idle.host},
                       {"tail", rank.idle.tail}}}});
  }
  return {{"schedule", schedule.name},
          {"stages", schedule.stages()},
          {"micro_batches", schedule.micro_batches},
          {"steps", row.steps},
          {"makespan", step.makespan},
          {"step_time", row.step_time},
          {"idle_barrier", step.idle_barrier()},
          {"idle_span", step.idle_span()},
          {"peak_activations", std::move(peaks)},
          {"ranks", std::move(ranks)}};
}

// The timetable, if its times are whole multiples of the shortest one, transfers do not matter and
// it fits the terminal.
std::string drawing(const Schedule& schedule, const SimulateOptions& options,
                    const SimulatedStep& step, const Console& console) {
  const auto stages = schedule.placement.stages_of(0).size();
  const bool even = static_cast<std::size_t>(schedule.stages()) == stages * step.ranks.size();
  const double unit = std::min({options.forward, options.input_gradient, options.weight_gradient});
  const double width = 2 * static_cast<double>(stages) * step.makespan / unit;
  if (!even || unit == 0 || options.steps > 1 || schedule::is_lowered(schedule) ||
      options.transfer > 0 || options.host > 0 || width > console.columns) {
    return {};
  }
  std::array<int, 3> slots{};
  std::ranges::transform(
      std::array{options.forward, options.input_gradient, options.weight_gradient}, slots.begin(),
      [&](double time) { return std::fmod(time, unit) == 0 ? static_cast<int>(time / unit) : 0; });
  if (std::ranges::min(slots) == 0) {
    return {};
  }
  const std::string grid = schedule::draw_grid(schedule, {.forward = slots[0],
                                                          .input_gradient = slots[1],
                                                          .weight_gradient = slots[2],
                                                          .colour = console.colour,
                                                          .columns = console.columns});
  return std::ranges::count(grid, '\n') == schedule.ranks() ? grid + "\n" : std::string();
}

std::string as_text(const Schedule& schedule, const Row& row) {
  const SimulatedStep& step = row.all;
  std::string text =
      fmt::format("{:>5}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}\n", "rank", "busy",
                  "dependency", "transfer", "imbalance", "host", "tail", "keeps");
  for (std::size_t i = 0; i < step.ranks.size(); ++i) {
    const plan::SimulatedRank& rank = step.ranks[i];
    text += fmt::format(
        "{:>5}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.4g}\n", i,
        rank.busy, rank.idle.dependency, rank.idle.transfer, rank.idle.imbalance, rank.idle.host,
        rank.idle.tail, rank.peak_activations);
  }
  const std::string steps =
      row.steps == 1 ? std::string()
                     : fmt::format(" of {} steps, one more takes {:.6g}", row.steps, row.step_time);
  return text +
         fmt::format(
             "{}: makespan {:.6g}{}; idle {:.1f} % up to a common end, {:.1f} % between each "
             "rank's first and last action\n",
             schedule.name, step.makespan, steps, 100 * step.idle_barrier(),
             100 * step.idle_span());
}

}  // namespace

void run_simulate(const SimulateOptions& options, const Console& console) {
  check(options);
  const auto [schedule, program] = subject_of(options);
  const Row row = simulate_row(program, costs_of(options, schedule.placement), options.steps);
  if (options.json) {
    console.print(as_json(schedule, row).dump() + "\n");
  } else {
    console.print(drawing(schedule, options, row.all, console) + as_text(schedule, row));
  }
}

}  // namespace lockflight::tools
