// What slots and sums hold while a program runs, for ProgramSimulation.

#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

/// A rank's sums of squares, by what they are for; each is memory of its own.
enum Sums { kKnown = -100, kReceived, kAll };

/// Those of all ranks are on the last one what it knows.
inline Sums sums_of_all(const Program& program, int rank) {
  return rank + 1 < static_cast<int>(program.ranks.size()) ? kAll : kKnown;
}

/// Reports what is computed from something else than it should be.
class ProgramContent {
 public:
  explicit ProgramContent(const Program& program) : program_(program) {}

  /// Computes without their input, sums without a term.
  const std::vector<std::string>& wrong() const { return wrong_; }

  /// A transfer takes the sender's bytes to the receiver's slot, whatever either calls them.
  void carry(int rank, const Instruction& mine, int other_rank, const Instruction& theirs) {
    if (mine.opcode == Opcode::send_sums) {
      carry_sums(rank, other_rank);
    } else if (mine.opcode == Opcode::recv_sums) {
      carry_sums(other_rank, rank);
    } else if (mine.opcode == Opcode::send) {
      content_[{other_rank, theirs.slot}] = content_[{rank, mine.slot}];
    } else if (mine.opcode == Opcode::recv) {
      content_[{rank, mine.slot}] = content_[{other_rank, theirs.slot}];
    } else if (mine.slot != theirs.slot) {
      wrong_.push_back(to_string(mine) + " meets " + to_string(theirs));
    }
  }

  /// An instruction is done, a transfer excepted.
  void pass(int rank, const Instruction& instruction) {
    switch (instruction.opcode) {
      case Opcode::compute:
        compute(rank, instruction);
        break;
      case Opcode::allocate:
      case Opcode::release:
        content_[{rank, instruction.slot}] = std::nullopt;
        break;
      case Opcode::reduce_tied:
        for (const int stage :
             {program_.ties[instruction.slot].first, program_.ties[instruction.slot].second}) {
          if (program_.placement.rank_of(stage) == rank) {
            close(instruction, stage);
          }
        }
        break;
      case Opcode::gradient_norm:
      case Opcode::update:
        close_all(rank, instruction);
        break;
      case Opcode::gradient_sums:
        close_all(rank, instruction);
        sums_[{rank, kKnown}] = {rank};
        break;
      case Opcode::add_sums: {
        const std::set<int>& more = sums_[{rank, kReceived}];
        sums_[{rank, kKnown}].insert(more.begin(), more.end());
        break;
      }
      case Opcode::read_sums:
      case Opcode::validate:
        expect_all_sums(rank, instruction);
        break;
      default:
        break;
    }
  }

 private:
  void carry_sums(int from, int to) {
    sums_[{to, to > from ? kReceived : kAll}] =
        sums_[{from, to > from ? kKnown : sums_of_all(program_, from)}];
  }
  void expect_all_sums(int rank, const Instruction& instruction) {
    if (sums_[{rank, sums_of_all(program_, rank)}].size() != program_.ranks.size()) {
      wrong_.push_back(to_string(instruction) + " without the sums of all ranks");
    }
  }

  // Runs an action on what its slots hold.
  void compute(int rank, const Instruction& instruction) {
    const auto& [stage, kind, micro_batch] = instruction.action;
    const int parts = program_.placement.stages() / copies();
    const bool first = stage % parts == 0;
    const bool last = stage % parts == parts - 1;
    const bool forward = kind == schedule::ActionKind::forward;
    const bool again = kind == schedule::ActionKind::recompute;
    const bool weight = kind == schedule::ActionKind::weight_gradient;
    const bool backward = !forward && !weight && !again;  // to the input
    std::optional<Boundary> input;
    std::optional<Boundary> output;
    if (forward && !first) {
      input = Boundary{Boundary::Kind::activation, stage - 1, micro_batch};
    }
    if (forward && !last) {
      output = Boundary{Boundary::Kind::activation, stage, micro_batch};
    }
    if (backward && !last) {
      input = Boundary{Boundary::Kind::gradient, stage, micro_batch};
    }
    if (backward && !first) {
      output = Boundary{Boundary::Kind::gradient, stage - 1, micro_batch};
    }
    std::optional<Boundary> taken;
    if (instruction.slot >= 0) {
      std::swap(taken, content_[{rank, instruction.slot}]);
    }
    const std::string name = schedule::to_string(instruction.action);
    const auto has_run = [&, stage = stage, micro_batch = micro_batch](const char* letter) {
      return ran_.contains(std::to_string(stage) + letter + std::to_string(micro_batch));
    };
    if (taken != input || output.has_value() != (instruction.output >= 0)) {
      wrong_.push_back(name + " has not its input, or nowhere to write");
    }
    if ((!forward && !has_run("F")) || (weight && !has_run("I")) || !ran_.insert(name).second) {
      wrong_.push_back(name + " runs too early, or again");
    }
    const bool recomputes = !program_.recomputes.empty() && program_.recomputes[stage];
    if ((again && (!recomputes || has_run("I") || has_run("B"))) ||
        (backward && has_run("R") != (recomputes && instruction.stream == 0))) {
      wrong_.push_back(name + " has not its recomputation in front of it");
    }
    if (kind == schedule::ActionKind::backward || weight) {
      int& summed = summed_[stage];
      const int begin = stage / parts * micro_batches_of_a_copy();
      if (begin + summed++ != micro_batch || closed_.contains(stage)) {
        wrong_.push_back(name + " is summed out of turn");
      }
    }
    if (instruction.output >= 0) {
      content_[{rank, instruction.output}] = output;
    }
  }

  int copies() const { return program_.placement.copies(); }
  int micro_batches_of_a_copy() const { return program_.micro_batches / copies(); }

  // Ties and updates come when all gradients of their stages are summed.
  void close(const Instruction& instruction, int stage) {
    if (summed_[stage] != micro_batches_of_a_copy()) {
      wrong_.push_back(to_string(instruction) + " before the last gradient of stage " +
                       std::to_string(stage));
    }
    closed_.insert(stage);
  }

  void close_all(int rank, const Instruction& instruction) {
    for (const int stage : program_.placement.stages_of(rank)) {
      close(instruction, stage);
    }
  }

  const Program& program_;
  std::map<std::pair<int, int>, std::optional<Boundary>> content_;  // what (rank, slot) holds
  std::map<std::pair<int, int>, std::set<int>> sums_;               // whose, by (rank, Sums)
  std::set<std::string> ran_;
  std::map<int, int> summed_;  // by stage
  std::set<int> closed_;       // stages whose gradients are used
  std::vector<std::string> wrong_;
};

}  // namespace lockflight::plan
