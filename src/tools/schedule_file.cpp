#include "tools/schedule_file.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

using plan::Finding;

constexpr std::size_t kLargestFile = std::size_t{1} << 30;

// Of what reads a file: its errors begin with the path.
template <typename Read>
auto with_path(const std::string& path, const Read& read) {
  try {
    return read();
  } catch (const DataError& error) {
    throw DataError(fmt::format("{}: {}", path, error.what()));
  }
}

// The program that lockflight runs.
ScheduleProof prove_lowered(const schedule::Schedule& schedule) {
  ScheduleProof proved;
  try {
    proved.program = plan::lower(schedule, {});
    proved.proof = plan::prove(proved.program);
  } catch (const PlanError& error) {
    proved.proof = {.findings = {{.kind = Finding::Kind::deadlock, .sentence = error.what()}},
                    .total = 1};
  }
  return proved;
}

void check_match(std::string_view option, const std::optional<int>& given, std::string_view path,
                 std::size_t found, std::string_view what) {
  if (given && static_cast<std::size_t>(*given) != found) {
    throw InvalidArgument(
        fmt::format("{} is {}, but {} has {} {}", option, *given, path, found, what));
  }
}

void check_given_size(const ScheduleFile& file, const GivenSize& given) {
  const schedule::Schedule& schedule = file.schedule;
  check_match("--ranks", given.ranks, file.path, schedule.rows.size(), "ranks");
  check_match("--micro-batches", given.micro_batches, file.path,
              static_cast<std::size_t>(schedule.micro_batches), "micro-batches");
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    check_match("--chunks", given.chunks, file.path, schedule.placement.stages_of(rank).size(),
                fmt::format("stages on rank {}", rank));
  }
}

// What is missing or out of order makes ranks wait, and leaves slots over.
const Finding& cause_of(const plan::Proof& proof) {
  return *std::ranges::min_element(proof.findings, {}, [](const Finding& finding) {
    return std::pair(finding.kind != Finding::Kind::incomplete, finding.position < 0);
  });
}

}  // namespace

bool is_schedule_file(std::string_view name) {
  return name.ends_with(".csv") || name.ends_with(".CSV");
}

RunnableFile read_runnable_file(const std::string& path, const GivenSize& given) {
  ScheduleFile file = read_schedule_file(path);
  check_given_size(file, given);
  ScheduleProof proved = prove_schedule(file, false);
  if (!proved.proof.proved()) {
    const std::size_t others = proved.proof.total - 1;
    throw DataError(fmt::format(
        "{}: {}{}", path, describe(cause_of(proved.proof), proved, file),
        others == 0 ? "" : fmt::format("; and {} more, which lockflight prove lists", others)));
  }
  return {.schedule = std::move(file.schedule), .program = std::move(proved.program)};
}

ScheduleFile read_schedule_file(const std::string& path) {
  ScheduleFile file{.path = path, .text = train::read_text(path, kLargestFile), .schedule = {}};
  file.schedule = with_path(path, [&] { return schedule::read_csv(file.text, path); });
  return file;
}

ScheduleProof prove_schedule(const ScheduleFile& file, bool one_stream) {
  const bool complete_file = schedule::is_lowered(file.schedule);
  auto [program, cells] = with_path(file.path, [&] {
    return plan::transcribe(complete_file ? file.schedule : plan::with_transfers(file.schedule), {},
                            file.text);
  });
  if (one_stream) {
    program = plan::single_transfer_stream(std::move(program));
  }
  ScheduleProof proved{.program = std::move(program), .proof = {}, .cells = std::move(cells)};
  proved.proof = plan::prove(proved.program);
  if (proved.proof.proved() && !complete_file && !one_stream) {
    proved = prove_lowered(file.schedule);
  }
  return proved;
}

FilePlace place_of(const Finding& finding, const ScheduleProof& proved) {
  if (finding.rank < 0 || proved.cells.empty()) {
    return {};
  }
  const int cell = finding.position < 0 ? -1 : proved.cells[finding.rank][finding.position];
  return {.row = finding.rank + 1, .cell = cell < 0 ? -1 : cell + 1};
}

std::string describe(const Finding& finding, const ScheduleProof& proved,
                     const ScheduleFile& file) {
  const FilePlace place = place_of(finding, proved);
  return place.row < 0
             ? to_string(finding)
             : fmt::format("{}: {}",
                           schedule::cell_place(file.text, place.row, std::max(place.cell, 0)),
                           finding.sentence);
}

}  // namespace lockflight::tools
