#include "lockflight/plan/prove.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "plan/proving.h"

namespace lockflight::plan {

std::string to_string(Finding::Kind kind) {
  switch (kind) {
    case Finding::Kind::incomplete:
      return "incomplete";
    case Finding::Kind::deadlock:
      return "deadlock";
    case Finding::Kind::race:
      return "race";
    case Finding::Kind::memory:
      return "memory";
  }
  return "?";
}

std::string to_string(const Finding& finding) {
  if (finding.rank < 0) {
    return finding.sentence;
  }
  std::string place = fmt::format("rank {}", finding.rank);
  if (finding.stream >= 0) {
    place += fmt::format(", stream {}", finding.stream);
  }
  if (finding.position >= 0) {
    place += fmt::format(", instruction {}", finding.position);
  }
  return fmt::format("{}: {}", place, finding.sentence);
}

bool trains(const Program& program) {
  return std::ranges::any_of(program.ranks, [](const RankProgram& rank) {
    return std::ranges::any_of(rank.instructions, [](const Instruction& instruction) {
      return instruction.opcode == Opcode::compute &&
             instruction.action.kind != schedule::ActionKind::forward;
    });
  });
}

Proof prove(const Program& program) {
  Proof proof;
  Findings findings(proof);
  check_form(program, proof, findings);
  if (!proof.proved()) {
    return proof;
  }
  const bool with_backward = trains(program);
  for (int rank = 0; rank < static_cast<int>(program.ranks.size()); ++rank) {
    check_complete(program, rank, with_backward, findings);
    check_races(program, rank, findings);
  }
  check_progress(program, findings);
  if (proof.proved() && validates(program)) {
    check_chain(program, findings);
  }
  std::ranges::stable_sort(proof.findings, {}, [](const Finding& finding) {
    return std::tuple(finding.rank, finding.position);
  });
  return proof;
}

void check_proved(const Program& program) {
  constexpr std::size_t kShown = 5;
  const Proof proof = prove(program);
  if (proof.proved()) {
    return;
  }
  std::vector<std::string> sentences;
  for (std::size_t i = 0; i < std::min(kShown, proof.findings.size()); ++i) {
    sentences.push_back(to_string(proof.findings[i]));
  }
  throw PlanError(fmt::format("the program is not proved, {} finding{}: {}{}", proof.total,
                              proof.total == 1 ? "" : "s", fmt::join(sentences, "; "),
                              proof.total > sentences.size() ? "; …" : ""));
}

}  // namespace lockflight::plan
