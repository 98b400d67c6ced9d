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
#include "lockflight/schedule/grid.h"
#include "lockflight/schedule/registry.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_file.h"

namespace lockflight::tools {
namespace {

using plan::SimulatedStep;
using schedule::Schedule;

constexpr int kRanks = 4;
constexpr int kMicroBatches = 8;

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
}

bool is_file(std::string_view schedule) {
  return schedule.ends_with(".csv") || schedule.ends_with(".CSV");
}

void check_match(std::string_view option, const std::optional<int>& given, std::string_view path,
                 std::size_t found, std::string_view what) {
  if (given && static_cast<std::size_t>(*given) != found) {
    throw InvalidArgument(
        fmt::format("{} is {}, but {} has {} {}", option, *given, path, found, what));
  }
}

// What is to be simulated.
struct Subject {
  Schedule schedule;
  plan::Program program;
};

void check_given_size(const SimulateOptions& options, const Schedule& schedule) {
  check_match("--ranks", options.ranks, options.schedule, schedule.rows.size(), "ranks");
  check_match("--micro-batches", options.micro_batches, options.schedule,
              static_cast<std::size_t>(schedule.micro_batches), "micro-batches");
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    check_match("--chunks", options.chunks, options.schedule,
                schedule.placement.stages_of(rank).size(), fmt::format("stages on rank {}", rank));
  }
}

// What is missing or out of order makes ranks wait, and leaves slots over.
const plan::Finding& cause_of(const plan::Proof& proof) {
  return *std::ranges::min_element(proof.findings, {}, [](const plan::Finding& finding) {
    return std::pair(finding.kind != plan::Finding::Kind::incomplete, finding.position < 0);
  });
}

// A file's own order where it holds transfers; what cannot be run is refused with its place.
Subject read_subject(const SimulateOptions& options) {
  if (options.group) {
    throw InvalidArgument(
        fmt::format("--group is of no use with a file such as {}; its order is "
                    "already made",
                    options.schedule));
  }
  ScheduleFile file = read_schedule_file(options.schedule);
  check_given_size(options, file.schedule);
  ScheduleProof proved = prove_schedule(file, false);
  if (!proved.proof.proved()) {
    const std::size_t others = proved.proof.total - 1;
    throw DataError(fmt::format(
        "{}: {}{}", file.path, describe(cause_of(proved.proof), proved, file),
        others == 0 ? "" : fmt::format("; and {} more, which lockflight prove lists", others)));
  }
  return {.schedule = std::move(file.schedule), .program = std::move(proved.program)};
}

Subject subject_of(const SimulateOptions& options) {
  if (is_file(options.schedule)) {
    return read_subject(options);
  }
  const schedule::PipelineSize size{
      .ranks = options.ranks.value_or(kRanks),
      .micro_batches = options.micro_batches.value_or(kMicroBatches),
      .stages_per_rank = stages_per_rank(options.schedule, options.chunks),
      .group = options.group.value_or(0)};
  check_size(size);
  Schedule schedule = schedule::make_schedule(options.schedule, size);
  plan::Program program = plan::lower(schedule, {});
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

nlohmann::ordered_json as_json(const Schedule& schedule, const SimulatedStep& step) {
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
          {"makespan", step.makespan},
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
  if (!even || unit == 0 || schedule::is_lowered(schedule) || options.transfer > 0 ||
      options.host > 0 || width > console.columns) {
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

std::string as_text(const Schedule& schedule, const SimulatedStep& step) {
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
  return text + fmt::format(
                    "{}: makespan {:.6g}; idle {:.1f} % up to a common end, {:.1f} % between each "
                    "rank's first and last action\n",
                    schedule.name, step.makespan, 100 * step.idle_barrier(),
                    100 * step.idle_span());
}

}  // namespace

void run_simulate(const SimulateOptions& options, const Console& console) {
  check(options);
  const auto [schedule, program] = subject_of(options);
  const SimulatedStep step = plan::simulate(program, costs_of(options, schedule.placement));
  if (options.json) {
    console.print(as_json(schedule, step).dump() + "\n");
  } else {
    console.print(drawing(schedule, options, step, console) + as_text(schedule, step));
  }
}

}  // namespace lockflight::tools
