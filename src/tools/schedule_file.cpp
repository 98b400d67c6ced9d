#include "tools/schedule_file.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "tools/split.h"
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
ScheduleProof prove_program(const ScheduleFile& file) {
  ScheduleProof proved;
  try {
    proved.program =
        plan::program_of(file.schedule, {}, lower_options(file.optimizer_in_schedule()));
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
  return name.find_first_of("./") != std::string_view::npos;
}

bool is_csv_file(std::string_view path) { return path.ends_with(".csv") || path.ends_with(".CSV"); }

void check_choices(const ScheduleFile& file, const GivenChoices& given) {
  using enum schedule::Choices::Recompute;
  if (!file.choices) {
    return;
  }
  const schedule::Choices& choices = *file.choices;
  const auto refuse = [&](std::string_view option, std::string_view says) {
    throw InvalidArgument(fmt::format(
        "{}, but {} says {}; leave the option out, or change the file", option, file.path, says));
  };
  const std::string recompute = choices.recompute == never    ? "never"
                                : choices.recompute == always ? "always"
                                                              : "of some layers";
  if (given.recompute && choices.recompute != unsaid && *given.recompute != recompute) {
    refuse(fmt::format("--recompute is {}", *given.recompute), "recompute " + recompute);
  }
  if (given.split != "auto" && !choices.layers.empty()) {
    refuse(fmt::format("--split is {}", given.split),
           fmt::format("layers {}", fmt::join(choices.layers, " ")));
  }
  if (given.optimizer_in_schedule && !choices.optimizer_in_schedule &&
      schedule::has_backward(file.schedule)) {
    refuse("--optimizer-in-schedule is given", "NORM UPDATE, for which all ranks meet");
  }
}

RunnableFile read_runnable_file(const std::string& path, const GivenSize& size,
                                const GivenChoices& choices) {
  ScheduleFile file = read_schedule_file(path);
  check_given_size(file, size);
  check_choices(file, choices);
  ScheduleProof proved = prove_schedule(file, false);
  if (!proved.proof.proved()) {
    const std::size_t others = proved.proof.total - 1;
    throw DataError(fmt::format(
        "{}: {}{}", path, describe(cause_of(proved.proof), proved, file),
        others == 0 ? "" : fmt::format("; and {} more, which lockflight prove lists", others)));
  }
  return {.file = std::move(file), .program = std::move(proved.program)};
}

ScheduleFile parse_schedule_file(std::string path, std::string text) {
  ScheduleFile file{.path = std::move(path), .text = std::move(text), .schedule = {}};
  with_path(file.path, [&] {
    if (schedule::is_text(file.text)) {
      schedule::SavedSchedule saved = schedule::read_text(file.text);
      file.schedule = std::move(saved.schedule);
      file.choices = std::move(saved.choices);
    } else {
      file.schedule = schedule::read_csv(file.text, file.path);
    }
  });
  return file;
}

ScheduleFile read_schedule_file(const std::string& path) {
  return parse_schedule_file(path, train::read_text(path, kLargestFile));
}

std::string schedule_file_text(std::string_view path, const schedule::SavedSchedule& saved) {
  return is_csv_file(path) ? schedule::write_csv(saved.schedule) : schedule::write_text(saved);
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
  if (proved.proof.proved() && !one_stream && (!complete_file || file.optimizer_in_schedule())) {
    proved = prove_program(file);
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
