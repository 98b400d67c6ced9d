// A plain simulation of a program under the rules of NCCL: streams are in-order, a send and a
// receive of a channel meet in order and hold their streams until both have come, and the host
// frees and hands out memory in the order of its instructions.  It keeps vector clocks and reports
// what is not ordered.

#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"

namespace lockflight::plan {

struct SimulationResult {
  bool drained = false;
  std::vector<std::string> races;
  int peak_slots = 0;                      ///< of any rank, by the order of its host
  std::vector<std::string> compute_order;  ///< "2F0" in the order in which it ran
};

class ProgramSimulation {
 public:
  explicit ProgramSimulation(const Program& program) : program_(program) {
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
      for (std::size_t stream = 0; stream < program.ranks[rank].streams.size(); ++stream) {
        numbers_[{static_cast<int>(rank), static_cast<int>(stream)}] =
            static_cast<int>(numbers_.size());
      }
    }
    for (const auto& [place, number] : numbers_) {
      streams_.push_back({.rank = place.first});
    }
    for (const auto& [place, number] : numbers_) {
      streams_[number] = {.rank = place.first,
                          .channel = program.ranks[place.first].streams[place.second].channel,
                          .clock = Clock(numbers_.size(), 0)};
    }
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
      for (const Instruction& instruction : program.ranks[rank].instructions) {
        streams_[numbers_.at({static_cast<int>(rank), instruction.stream})].queue.push_back(
            &instruction);
      }
    }
  }

  SimulationResult run() {
    count_slots();
    for (bool progress = true; progress;) {
      progress = false;
      for (std::size_t number = 0; number < streams_.size(); ++number) {
        while (step(static_cast<int>(number))) {
          progress = true;
        }
      }
    }
    result_.drained =
        std::ranges::all_of(streams_, [](const auto& s) { return s.next == s.queue.size(); });
    return result_;
  }

 private:
  using Clock = std::vector<int>;
  struct StreamState {
    int rank = 0;
    int channel = -1;
    std::vector<const Instruction*> queue;
    std::size_t next = 0;
    Clock clock;
    bool posted = false;
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

  static bool is_transfer(const Instruction& instruction) {
    return instruction.opcode == Opcode::send || instruction.opcode == Opcode::recv ||
           (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0);
  }

  void count_slots() {
    for (const RankProgram& rank : program_.ranks) {
      int live = 0;
      for (const Instruction& instruction : rank.instructions) {
        const bool computes = instruction.opcode == Opcode::compute;
        live +=
            instruction.opcode == Opcode::allocate || (computes && instruction.output >= 0) ? 1 : 0;
        result_.peak_slots = std::max(result_.peak_slots, live);
        live -=
            instruction.opcode == Opcode::release || (computes && instruction.slot >= 0) ? 1 : 0;
      }
    }
  }

  bool step(int number) {
    StreamState& stream = streams_[number];
    if (stream.next == stream.queue.size()) {
      return false;
    }
    const Instruction& instruction = *stream.queue[stream.next];
    if (is_transfer(instruction)) {
      return meet(number);
    }
    if (instruction.opcode == Opcode::wait) {
      const auto event = events_.find({stream.rank, instruction.event});
      if (event == events_.end()) {
        return false;
      }
      join(stream.clock, event->second);
    }
    pass(number, instruction);
    return true;
  }

  bool meet(int number) {
    StreamState& stream = streams_[number];
    stream.posted = true;
    for (std::size_t other = 0; other < streams_.size(); ++other) {
      StreamState& partner = streams_[other];
      if (static_cast<int>(other) == number || !partner.posted ||
          partner.channel != stream.channel || partner.rank != stream.queue[stream.next]->peer) {
        continue;
      }
      const Instruction& mine = *stream.queue[stream.next];
      const Instruction& theirs = *partner.queue[partner.next];
      stream.posted = partner.posted = false;
      pass(number, mine);
      pass(static_cast<int>(other), theirs);
      join(stream.clock, partner.clock);
      join(partner.clock, stream.clock);
      return true;
    }
    return false;
  }

  static void join(Clock& clock, const Clock& other) {
    std::ranges::transform(clock, other, clock.begin(),
                           [](int a, int b) { return std::max(a, b); });
  }

  void pass(int number, const Instruction& instruction) {
    StreamState& stream = streams_[number];
    ++stream.next;
    ++stream.clock[number];
    const int rank = stream.rank;
    switch (instruction.opcode) {
      case Opcode::record:
        events_[{rank, instruction.event}] = stream.clock;
        break;
      case Opcode::compute:
        result_.compute_order.push_back(schedule::to_string(instruction.action));
        if (instruction.slot >= 0) {
          read(number, instruction.slot, instruction);
        }
        if (instruction.output >= 0) {
          write(number, instruction.output, instruction);
        }
        break;
      case Opcode::allocate:
      case Opcode::release:
        write(number, instruction.slot,
              instruction);  // the bytes change hands in the order of the compute stream
        break;
      case Opcode::recv:
        write(number, instruction.slot, instruction);
        break;
      case Opcode::send:
        read(number, instruction.slot, instruction);
        break;
      case Opcode::wait:
      case Opcode::reduce_tied:
      case Opcode::gradient_norm:
      case Opcode::update:
        break;
    }
  }

  void expect_before(const Access& earlier, int number, const Instruction& instruction) {
    if (streams_[number].clock[earlier.stream] < earlier.time) {
      result_.races.push_back("rank " + std::to_string(streams_[number].rank) + ": " +
                              to_string(instruction) + " is not after " + earlier.what);
    }
  }

  void read(int number, int slot, const Instruction& instruction) {
    SlotState& state = slots_[{streams_[number].rank, slot}];
    if (state.write) {
      expect_before(*state.write, number, instruction);
    } else {
      result_.races.push_back(to_string(instruction) + " reads what nobody wrote");
    }
    state.reads.push_back({number, streams_[number].clock[number], to_string(instruction)});
  }

  void write(int number, int slot, const Instruction& instruction) {
    SlotState& state = slots_[{streams_[number].rank, slot}];
    if (state.write) {
      expect_before(*state.write, number, instruction);
    }
    for (const Access& access : state.reads) {
      expect_before(access, number, instruction);
    }
    state = {.write = Access{number, streams_[number].clock[number], to_string(instruction)},
             .reads = {}};
  }

  const Program& program_;
  std::map<std::pair<int, int>, int> numbers_;  // (rank, stream) → number
  std::vector<StreamState> streams_;
  std::map<std::pair<int, int>, Clock> events_;
  std::map<std::pair<int, int>, SlotState> slots_;
  SimulationResult result_;
};

}  // namespace lockflight::plan
