#include "tools/prove_command.h"

#include <charconv>
#include <string>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "core/text_place.h"
#include "lockflight/core/error.h"
#include "tools/exit_code.h"
#include "tools/schedule_file.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

using plan::Finding;
using plan::Proof;

constexpr std::size_t kLargestFile = std::size_t{1} << 30;

std::vector<int> parse_ranks(std::string_view text, std::string_view name) {
  constexpr std::string_view kBetween = ", \t\r\n";
  std::vector<int> ranks;
  for (std::size_t at = 0; (at = text.find_first_not_of(kBetween, at)) != std::string_view::npos;) {
    const std::string_view word = text.substr(at, text.find_first_of(kBetween, at) - at);
    int& rank = ranks.emplace_back();
    const auto [end, failure] = std::from_chars(word.data(), word.data() + word.size(), rank);
    if (failure != std::errc() || end != word.data() + word.size() || rank < 0) {
      throw DataError(fmt::format("{}: {}: entry {} is no rank; it must be a number from 0 up",
                                  name, text_place(text, at), ranks.size()));
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

std::string as_text(const ScheduleFile& file, const ScheduleProof& proved) {
  const schedule::Schedule& schedule = file.schedule;
  const Proof& proof = proved.proof;
  if (proof.proved()) {
    return fmt::format(
        "{}: proved complete, free of deadlock and free of races: {} ranks, {} stages, {} "
        "micro-batches; {} actions and {} transfers in {} instructions on {} streams\n",
        file.path, schedule.ranks(), schedule.stages(), schedule.micro_batches, proof.actions,
        proof.transfers, proof.instructions, proof.streams);
  }
  std::string text = fmt::format("{}: refused, {} finding{}\n", file.path, proof.total,
                                 proof.total == 1 ? "" : "s");
  for (const Finding& finding : proof.findings) {
    text += fmt::format("  {:<11}{}\n", to_string(finding.kind), describe(finding, proved, file));
  }
  if (proof.findings.size() < proof.total) {
    text += fmt::format("  and {} more\n", proof.total - proof.findings.size());
  }
  return text;
}

nlohmann::json as_json(const ScheduleFile& file, const ScheduleProof& proved) {
  const schedule::Schedule& schedule = file.schedule;
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
  return {{"file", file.path},
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
  const ScheduleFile file = read_schedule_file(options.file);
  const schedule::Placement& placement = file.schedule.placement;
  if (options.placement == "loop" || options.placement == "v") {
    check_placement(placement, options.placement, options.placement);
  } else if (!options.placement.empty()) {
    check_placement(placement, train::read_text(options.placement, kLargestFile),
                    options.placement);
  }
  const ScheduleProof proved = prove_schedule(file, options.one_stream);
  console.print(options.json ? as_json(file, proved).dump() + "\n" : as_text(file, proved));
  return static_cast<int>(proved.proof.proved() ? ExitCode::success : ExitCode::data);
}

}  // namespace lockflight::tools
