// check_chain of proving.h.
//
// Between its validation and the end of its step, a rank has nothing of another step under way: it
// has waited for all transfers of the step before.  So only neighbouring steps touch each other,
// and two of them stand for any number.

#include <algorithm>
#include <string_view>

#include "lockflight/plan/unroll.h"
#include "plan/boundaries.h"
#include "plan/proving.h"

namespace lockflight::plan {
namespace {

// A boundary that crosses ranks within the prologues, at one of its ends.
struct Crossing {
  Boundary boundary;
  int rank = 0;
  std::ptrdiff_t position = 0;
};

class PrologueCheck {
 public:
  PrologueCheck(const Program& program, Findings& findings)
      : program_(program), findings_(findings) {}

  void run() {
    for (int rank = 0; rank < static_cast<int>(program_.ranks.size()); ++rank) {
      check_rank(rank);
    }
    std::ranges::sort(sent_, {}, &Crossing::boundary);
    std::ranges::sort(received_, {}, &Crossing::boundary);
    report(sent_, received_, "received");
    report(received_, sent_, "sent");
  }

 private:
  void check_rank(int rank) {
    const RankProgram& here = program_.ranks[rank];
    for (std::size_t i = 0; i < here.prologue; ++i) {
      const Instruction& instruction = here.instructions[i];
      const Crossing crossing{.rank = rank, .position = static_cast<std::ptrdiff_t>(i)};
      switch (instruction.opcode) {
        case Opcode::send:
          sent_.push_back(crossing);
          sent_.back().boundary = here.slots[instruction.slot];
          break;
        case Opcode::recv:
          received_.push_back(crossing);
          received_.back().boundary = here.slots[instruction.slot];
          break;
        case Opcode::compute:
          if (instruction.action.kind != schedule::ActionKind::forward) {
            wrong(crossing, instruction, "is no forward, but stands in the prologue");
          }
          break;
        case Opcode::allocate:
        case Opcode::release:
        case Opcode::record:
        case Opcode::wait:
          break;
        default:
          wrong(crossing, instruction, "stands in the prologue");
      }
    }
  }

  void wrong(const Crossing& at, const Instruction& instruction, std::string_view why) {
    findings_.add(Finding::Kind::incomplete,
                  {.rank = at.rank, .stream = instruction.stream, .position = at.position}, "{} {}",
                  to_string(instruction), why);
  }

  void report(const std::vector<Crossing>& these, const std::vector<Crossing>& those,
              std::string_view verb) {
    for (const Crossing& crossing : these) {
      if (!std::ranges::binary_search(those, crossing.boundary, {}, &Crossing::boundary)) {
        findings_.add(Finding::Kind::deadlock,
                      {.rank = crossing.rank, .position = crossing.position},
                      "{} stands in the prologue, but {} is {} behind one",
                      to_string(program_.ranks[crossing.rank].instructions[crossing.position]),
                      describe(crossing.boundary), verb);
      }
    }
  }

  const Program& program_;
  Findings& findings_;
  std::vector<Crossing> sent_;
  std::vector<Crossing> received_;
};

void check_two_steps(const Program& program, Verdict verdict, std::string_view name,
                     Findings& findings) {
  const Program two = unroll(program, std::vector{verdict});
  Proof proof;
  Findings found(proof);
  for (int rank = 0; rank < static_cast<int>(two.ranks.size()); ++rank) {
    check_races(two, rank, found);
  }
  check_progress(two, found);
  for (const Finding& finding : proof.findings) {
    findings.add(finding.kind, {.rank = finding.rank},
                 "two steps in a row, the update between them {}: instruction {} of both: {}", name,
                 finding.position, finding.sentence);
  }
}

}  // namespace

void check_chain(const Program& program, Findings& findings) {
  PrologueCheck(program, findings).run();
  check_two_steps(program, Verdict::accepted, "accepted", findings);
  check_two_steps(program, Verdict::amended, "amended", findings);
}

}  // namespace lockflight::plan
