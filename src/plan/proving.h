// The parts of a proof.  check_form comes first; the others trust what it has found in order.

#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/plan/prove.h"

namespace lockflight::plan {

/// Where a finding stands; -1 as in Finding.
struct Place {
  int rank = -1;
  int stream = -1;
  std::ptrdiff_t position = -1;
};

/// Collects findings; writes out only those that are kept.
class Findings {
 public:
  explicit Findings(Proof& proof) : proof_(proof) {}

  template <typename... Values>
  void add(Finding::Kind kind, const Place& place, fmt::format_string<Values...> sentence,
           Values&&... values) {
    ++proof_.total;
    if (of_kind_[static_cast<std::size_t>(kind)]++ < Proof::kMostOfAKind) {
      proof_.findings.push_back(
          {.kind = kind,
           .rank = place.rank,
           .stream = place.stream,
           .position = place.position,
           .sentence = fmt::format(sentence, std::forward<Values>(values)...)});
    }
  }

 private:
  Proof& proof_;
  std::size_t of_kind_[4] = {};
};

/// A position in an array of a rank's instructions, streams, events; half the size of an index.
using Number = std::uint32_t;
constexpr Number kNone = std::numeric_limits<Number>::max();

/// Ties with a stage on the rank.
inline std::vector<int> ties_on(const Program& program, int rank) {
  std::vector<int> ties;
  for (std::size_t tie = 0; tie < program.ties.size(); ++tie) {
    if (program.placement.rank_of(program.ties[tie].first) == rank ||
        program.placement.rank_of(program.ties[tie].second) == rank) {
      ties.push_back(static_cast<int>(tie));
    }
  }
  return ties;
}

/// True if it computes a gradient or has anything to do with one.
bool trains(const Program& program);

/// Every number names something that there is.  Also counts what the proof says it has looked at.
void check_form(const Program& program, Proof& proof, Findings& findings);

/// One rank's actions, slots, ties, norm and update, in the order of its host.
void check_complete(const Program& program, int rank, bool trains, Findings& findings);

/// One rank's accesses to buffers, ordered by vector clocks over its streams.
void check_races(const Program& program, int rank, Findings& findings);

/// Whether all streams of all ranks drain, and whether the ends of channels agree.
void check_progress(const Program& program, Findings& findings);

/// Whether steps can follow each other where the optimizer is in the schedule: prologues, and two
/// steps with either verdict between them.
void check_chain(const Program& program, Findings& findings);

}  // namespace lockflight::plan
