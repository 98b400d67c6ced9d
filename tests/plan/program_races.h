// Whether all that a program does to the same memory is ordered, for ProgramSimulation.

#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"
#include "plan/program_content.h"

namespace lockflight::plan {

/// For every stream of all ranks, how many of its instructions are known to be over.
using StreamClock = std::vector<int>;

/// Reports what is not ordered.
class ProgramRaces {
 public:
  explicit ProgramRaces(const Program& program) : program_(program) {}

  const std::vector<std::string>& found() const { return found_; }

  /// A stream, by its number, has done an instruction, which its clock counts.
  void pass(int rank, int stream, const StreamClock& clock, const Instruction& instruction) {
    const Use use{.rank = rank, .stream = stream, .clock = clock, .instruction = instruction};
    touch_slots(use);
    touch_sums(use);
    touch_ties(use);
    touch_stages(use);
  }

 private:
  struct Use {
    int rank;
    int stream;
    const StreamClock& clock;
    const Instruction& instruction;
  };
  // The last write to and all reads of a slot's bytes, as points of streams.
  struct Access {
    int stream;
    int time;
    std::string what;
  };
  struct SlotState {
    std::optional<Access> write;
    std::vector<Access> reads;
  };

  void touch_slots(const Use& use) {
    switch (use.instruction.opcode) {
      case Opcode::compute:
        if (use.instruction.slot >= 0) {
          write(use, use.instruction.slot);  // it frees what it takes
        }
        if (use.instruction.output >= 0) {
          write(use, use.instruction.output);
        }
        break;
      case Opcode::allocate:
      case Opcode::release:  // the bytes change hands in the order of the compute stream
      case Opcode::recv:
        write(use, use.instruction.slot);
        break;
      case Opcode::send:
        read(use, use.instruction.slot);
        break;
      default:
        break;
    }
  }

  void touch_sums(const Use& use) {
    switch (use.instruction.opcode) {
      case Opcode::update:
        if (slots_.contains({use.rank, kKnown})) {
          read(use, kKnown);
        }
        break;
      case Opcode::gradient_sums:
        write(use, kKnown);
        break;
      case Opcode::add_sums:
        read(use, kReceived);
        write(use, kKnown);
        break;
      case Opcode::send_sums:
        read(use, use.instruction.peer > use.rank ? kKnown : sums_of_all(program_, use.rank));
        break;
      case Opcode::recv_sums:
        write(use, use.instruction.peer > use.rank ? kAll : kReceived);
        break;
      case Opcode::read_sums:
      case Opcode::validate:
        read(use, sums_of_all(program_, use.rank));
        break;
      default:
        break;
    }
  }

  static bool sums_gradients(const Instruction& instruction) {
    return instruction.opcode == Opcode::compute &&
           (instruction.action.kind == schedule::ActionKind::backward ||
            instruction.action.kind == schedule::ActionKind::weight_gradient);
  }

  // Whether the sum of one tie is over the gradients of another: one over two copies of a model is
  // of all parameters of its stages.
  bool adds_up(std::size_t sum, std::size_t tie) const {
    const int copies = program_.placement.copies();
    const auto [one, other] = program_.ties[sum];
    const auto [first, second] = program_.ties[tie];
    const bool over_copies = copies == 2 && other == one + program_.placement.stages() / copies;
    return sum == tie ||
           (over_copies && (first == one || first == other || second == one || second == other));
  }

  // The gradients of a tie are a slot of their own on every rank that has a copy.
  void touch_ties(const Use& use) {
    const Instruction& instruction = use.instruction;
    for (std::size_t tie = 0; tie < program_.ties.size(); ++tie) {
      const auto [first, second] = program_.ties[tie];
      const bool here = program_.placement.rank_of(first) == use.rank ||
                        program_.placement.rank_of(second) == use.rank;
      const bool sums = sums_gradients(instruction) &&
                        (instruction.action.stage == first || instruction.action.stage == second);
      const bool reduces = instruction.opcode == Opcode::reduce_tied &&
                           adds_up(static_cast<std::size_t>(instruction.slot), tie);
      const bool updates =
          instruction.opcode == Opcode::gradient_norm || instruction.opcode == Opcode::update ||
          instruction.opcode == Opcode::gradient_sums || instruction.opcode == Opcode::validate;
      if (here && (sums || reduces || updates)) {
        write(use, -2 - static_cast<int>(tie));
      }
    }
  }

  // So are a stage's gradients, and what it keeps of a micro-batch.
  void touch_stages(const Use& use) {
    const int first = -2 - static_cast<int>(program_.ties.size());
    const auto gradients = [&](int stage) { return first - stage; };
    const Instruction& instruction = use.instruction;
    if (instruction.opcode == Opcode::compute) {
      const auto& [stage, kind, micro_batch] = instruction.action;
      write(use,
            first - program_.placement.stages() - stage * program_.micro_batches - micro_batch);
      if (sums_gradients(instruction)) {
        write(use, gradients(stage));
      }
    } else if (instruction.opcode == Opcode::gradient_norm ||
               instruction.opcode == Opcode::update) {
      for (const int stage : program_.placement.stages_of(use.rank)) {
        write(use, gradients(stage));
      }
    }
  }

  void expect_before(const Access& earlier, const Use& use) {
    if (use.clock[earlier.stream] < earlier.time) {
      found_.push_back("rank " + std::to_string(use.rank) + ": " + to_string(use.instruction) +
                       " is not after " + earlier.what);
    }
  }

  static Access access_of(const Use& use) {
    return {use.stream, use.clock[use.stream], to_string(use.instruction)};
  }

  void read(const Use& use, int slot) {
    SlotState& state = slots_[{use.rank, slot}];
    if (state.write) {
      expect_before(*state.write, use);
    } else {
      found_.push_back(to_string(use.instruction) + " reads what nobody wrote");
    }
    state.reads.push_back(access_of(use));
  }

  void write(const Use& use, int slot) {
    SlotState& state = slots_[{use.rank, slot}];
    if (state.write) {
      expect_before(*state.write, use);
    }
    for (const Access& access : state.reads) {
      expect_before(access, use);
    }
    state = {.write = access_of(use), .reads = {}};
  }

  const Program& program_;
  std::map<std::pair<int, int>, SlotState> slots_;  // by (rank, slot)
  std::vector<std::string> found_;
};

}  // namespace lockflight::plan
