// Small seeded changes to programs, of the kinds that mistakes are made of.

#pragma once

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/plan/program.h"

namespace lockflight::plan {

struct Mutation {
  Program program;
  int rank = 0;
  std::string what;  ///< "rank 1: drop instruction 17 (wait event 4)"
};

class Mutator {
 public:
  Mutator(const Program& program, std::uint64_t seed)
      : program_(program), random_({.seed = seed}) {}

  /// One change at one place of one rank; it may come out equal to the original.
  Mutation mutate() {
    rank_ = below(program_.ranks.size());
    std::vector<Instruction>& instructions = here().instructions;
    const std::size_t at = below(instructions.size());
    const std::string before = to_string(instructions[at]);
    const std::string verb = change(instructions, at);
    return {.program = std::move(program_),
            .rank = static_cast<int>(rank_),
            .what = "rank " + std::to_string(rank_) + ": " + verb + " instruction " +
                    std::to_string(at) + " (" + before + ")"};
  }

 private:
  std::string change(std::vector<Instruction>& instructions, std::size_t at) {
    const auto place = instructions.begin() + static_cast<std::ptrdiff_t>(at);
    switch (below(9)) {
      case 0:
        instructions.erase(place);
        return "drop";
      case 1:
        instructions.insert(place, Instruction(*place));
        return "double";
      case 2:
        std::swap(*place, instructions[std::min(at + 1, instructions.size() - 1)]);
        return "swap with the next";
      case 3:
        return move(instructions, at);
      case 4:
        return change_number(place->event, here().events, "event");
      case 5:
        return change_number(place->slot, static_cast<int>(here().slots.size()), "slot");
      case 6:
        return change_number(place->output, static_cast<int>(here().slots.size()), "output");
      case 7:
        return change_number(place->peer, static_cast<int>(program_.ranks.size()), "peer");
      default:
        return change_number(place->stream, static_cast<int>(here().streams.size()), "stream");
    }
  }

  std::string move(std::vector<Instruction>& instructions, std::size_t at) {
    const Instruction moved = instructions[at];
    instructions.erase(instructions.begin() + static_cast<std::ptrdiff_t>(at));
    const std::size_t to = below(instructions.size() + 1);
    instructions.insert(instructions.begin() + static_cast<std::ptrdiff_t>(to), moved);
    return "move to " + std::to_string(to);
  }

  // To any number that there is, or one beyond.
  std::string change_number(int& number, int count, const std::string& name) {
    number = static_cast<int>(below(static_cast<std::size_t>(count) + 2)) - 1;
    return "change the " + name + " to " + std::to_string(number) + " of";
  }

  RankProgram& here() { return program_.ranks[rank_]; }
  std::size_t below(std::size_t limit) { return random_.next_below(limit); }

  Program program_;
  Random random_;
  std::size_t rank_ = 0;
};

}  // namespace lockflight::plan
