#include "tools/simulation_subject.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/schedule/registry.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_file.h"

namespace lockflight::tools {
namespace {

using schedule::Schedule;

constexpr int kRanks = 4;
constexpr int kMicroBatches = 8;

void check_time(std::string_view name, double value) {
  if (!(value >= 0) || std::isinf(value)) {
    throw InvalidArgument(fmt::format("{} is {}; it must be a number of at least 0", name, value));
  }
}

void check(const SimulateOptions& options, std::string_view command) {
  if (options.schedule.empty()) {
    throw InvalidArgument(fmt::format(
        "{0}: which schedule? try lockflight {0} 1f1b, or the name of a CSV file", command));
  }
  check_time("--forward", options.forward);
  check_time("--input-gradient", options.input_gradient);
  check_time("--weight-gradient", options.weight_gradient);
  check_time("--transfer", options.transfer);
  check_time("--host", options.host);
}

void check_match(std::string_view option, const std::optional<int>& given, std::string_view path,
                 std::size_t found, std::string_view what) {
  if (given && static_cast<std::size_t>(*given) != found) {
    throw InvalidArgument(
        fmt::format("{} is {}, but {} has {} {}", option, *given, path, found, what));
  }
}

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
SimulationSubject read_subject(const SimulateOptions& options) {
  ScheduleFile file = read_schedule_file(options.schedule);
  check_given_size(options, file.schedule);
  ScheduleProof proved = prove_schedule(file, false);
  if (!proved.proof.proved()) {
    const std::size_t others = proved.proof.total - 1;
    throw DataError(fmt::format(
        "{}: {}{}", file.path, describe(cause_of(proved.proof), proved, file),
        others == 0 ? "" : fmt::format("; and {} more, which lockflight prove lists", others)));
  }
  return {.schedule = std::move(file.schedule), .program = std::move(proved.program), .costs = {}};
}

SimulationSubject named_or_read(const SimulateOptions& options) {
  if (is_schedule_file(options)) {
    return read_subject(options);
  }
  const schedule::PipelineSize size{.ranks = options.ranks.value_or(kRanks),
                                    .micro_batches = options.micro_batches.value_or(kMicroBatches),
                                    .stages_per_rank = options.chunks.value_or(1)};
  check_size(size);
  Schedule schedule = schedule::make_schedule(options.schedule, size);
  plan::Program program = plan::lower(schedule, {});
  return {.schedule = std::move(schedule), .program = std::move(program), .costs = {}};
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

}  // namespace

SimulationSubject simulation_subject(const SimulateOptions& options, std::string_view command) {
  check(options, command);
  SimulationSubject subject = named_or_read(options);
  subject.costs = costs_of(options, subject.schedule.placement);
  return subject;
}

bool is_schedule_file(const SimulateOptions& options) {
  return options.schedule.ends_with(".csv") || options.schedule.ends_with(".CSV");
}

}  // namespace lockflight::tools
