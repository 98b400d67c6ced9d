#include "tools/prove_command.h"

#include <charconv>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "tools/exit_code.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

using plan::Finding;
using plan::Program;
using plan::Proof;

constexpr std::size_t kLargestFile = std::size_t{1} << 30;

// The program that lockflight runs.
Proof prove_lowered(const schedule::Schedule& schedule) {
  try {
    return plan::prove(plan::lower(schedule, {}));
  } catch (const PlanError& error) {
    return {.findings = {{.kind = Finding::Kind::deadlock, .sentence = error.what()}}, .total = 1};
  }
}

std::vector<int> parse_ranks(std::string_view text, std::string_view name) {
  constexpr std::string_view kBetween = ", \t\r\n";
  std::vector<int> ranks;
  for (std::size_t at = 0; (at = text.find_first_not_of(kBetween, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, text.find_first_of(kBetween, at) - at);
    int& rank = ranks.emplace_back();
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), rank);
    if (failure != std::errc() || end != word.data() + word.size() || rank < 0) {
      throw DataError(fmt::format("{}: entry {} is no rank; it must be a number from 0 up", name,
                                  ranks.size()));
    }
    at += word.size();
  }
  return ranks;
}

std::vector<int> expected_ranks(const schedule::Placement& placement, std::string_view expected,
                                std::string_view name) {
  std::vector<int> ranks;
  if (expected != "loop" && expected != "v") {
    ranks = parse_ranks(expected, name);
  } else {
    for (int stage = 0; stage < placement.stages(); ++stage) {
      ranks.push_back(expected == "loop" || stage < placement.ranks()
                          ? stage % placement.ranks()
                          : 2 * placement.ranks() - 1 - stage);
    }
    if (expected == "v") {
      ranks.resize(2 * static_cast<std::size_t>(placement.ranks()), 0);
    }
  }
  return ranks;
}

// Where a finding stands in the file, as far as it stands there.
struct FilePlace {
  int row = -1;
  int cell = -1;
};

FilePlace place_of(const Finding& finding, const ScheduleProof& proved) {
  if (finding.rank < 0 || finding.position < 0 || proved.cells.empty()) {
    return {};
  }
  const int cell = proved.cells[finding.rank][finding.position];
  return cell < 0 ? FilePlace{} : FilePlace{.row = finding.rank + 1, .cell = cell + 1};
}

std::string line_of(const Finding& finding, const ScheduleProof& proved) {
  const FilePlace place = place_of(finding, proved);
  return fmt::format(
      "  {:<11}{}\n", to_string(finding.kind),
      place.row < 0 ? to_string(finding)
                    : fmt::format("row {}, cell {}: {}", place.row, place.cell, finding.sentence));
}

std::string as_text(const ProveOptions& options, const schedule::Schedule& schedule,
                    const ScheduleProof& proved) {
  const Proof& proof = proved.proof;
  if (proof.proved()) {
    return fmt::format(
        "{}: proved complete, free of deadlock and free of races: {} ranks, {} stages, {} "
        "micro-batches; {} actions and {} transfers in {} instructions on {} streams\n",
        options.file, schedule.ranks(), schedule.stages(), schedule.micro_batches, proof.actions,
        proof.transfers, proof.instructions, proof.streams);
  }
  std::string text = fmt::format("{}: refused, {} finding{}\n", options.file, proof.total,
                                 proof.total == 1 ? "" : "s");
  for (const Finding& finding : proof.findings) {
    text += line_of(finding, proved);
  }
  if (proof.findings.size() < proof.total) {
    text += fmt::format("  and {} more\n", proof.total - proof.findings.size());
  }
  return text;
}

nlohmann::json as_json(const ProveOptions& options, const schedule::Schedule& schedule,
                       const ScheduleProof& proved) {
  nlohmann::json findings = nlohmann::json::array();
  for (const Finding& finding : proved.proof.findings) {
    const FilePlace place = place_of(finding, proved);
    findings.push_back({{"kind", to_string(finding.kind)},
                        {"rank", finding.rank},
                        {"stream", finding.stream},
                        {"instruction", finding.position},
                        {"row", place.row},
                        {"cell", place.cell},
                        {"sentence", finding.sentence}});
  }
  return {{"file", options.file},
          {"proved", proved.proof.proved()},
          {"ranks", schedule.ranks()},
          {"stages", schedule.stages()},
          {"micro_batches", schedule.micro_batches},
          {"actions", proved.proof.actions},
          {"transfers", proved.proof.transfers},
          {"instructions", proved.proof.instructions},
          {"streams", proved.proof.streams},
          {"findings_in_all", proved.proof.total},
          {"findings", std::move(findings)}};
}

}  // namespace

ScheduleProof prove_schedule(const schedule::Schedule& schedule, bool one_stream) {
  const bool complete_file = schedule::is_lowered(schedule);
  auto [program, cells] =
      plan::transcribe(complete_file ? schedule : plan::with_transfers(schedule));
  if (one_stream) {
    program = plan::single_transfer_stream(std::move(program));
  }
  ScheduleProof proved{.proof = plan::prove(program), .cells = std::move(cells)};
  if (proved.proof.proved() && !complete_file && !one_stream) {
    proved = {.proof = prove_lowered(schedule), .cells = {}};
  }
  return proved;
}

void check_placement(const schedule::Placement& placement, std::string_view expected,
                     std::string_view name) {
  const std::vector<int> ranks = expected_ranks(placement, expected, name);
  if (ranks.size() != static_cast<std::size_t>(placement.stages())) {
    throw DataError(fmt::format("--placement {} places {} stages, the schedule has {} on {} ranks",
                                name, ranks.size(), placement.stages(), placement.ranks()));
  }
  for (int stage = 0; stage < placement.stages(); ++stage) {
    if (placement.rank_of(stage) != ranks[stage]) {
      throw DataError(fmt::format(
          "stage {} stands in row {}, which is rank {}, but --placement {} puts it on "
          "rank {}",
          stage, placement.rank_of(stage) + 1, placement.rank_of(stage), name, ranks[stage]));
    }
  }
}

int run_prove(const ProveOptions& options, const Console& console) {
  if (options.file.empty()) {
    throw InvalidArgument("prove: which file? try lockflight prove schedule.csv");
  }
  const schedule::Schedule schedule =
      schedule::read_csv(train::read_text(options.file, kLargestFile), options.file);
  if (options.placement == "loop" || options.placement == "v") {
    check_placement(schedule.placement, options.placement, options.placement);
  } else if (!options.placement.empty()) {
    check_placement(schedule.placement, train::read_text(options.placement, kLargestFile),
                    options.placement);
  }
  const ScheduleProof proved = prove_schedule(schedule, options.one_stream);
  console.print(options.json ? as_json(options, schedule, proved).dump() + "\n"
                             : as_text(options, schedule, proved));
  return static_cast<int>(proved.proof.proved() ? ExitCode::success : ExitCode::data);
}

}  // namespace lockflight::tools
