// A plain simulation of a program under the rules of NCCL: streams are in-order, a send and a
// receive of a channel meet in order and hold their streams until both have come, and the host
// frees and hands out memory in the order of its instructions.  It keeps vector clocks over all
// streams of all ranks; what is not ordered is looked for by ProgramRaces, what is computed from
// something else than it should be by ProgramContent.

#pragma once

#include <algorithm>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"
#include "plan/program_content.h"
#include "plan/program_races.h"

namespace lockflight::plan {

struct SimulationResult {
  bool drained = false;
  std::vector<std::string> races;
  std::vector<std::string> wrong;          ///< computes without their input, sums without a term
  int updates = 0;                         ///< norms and updates
  int peak_slots = 0;                      ///< of any rank, by the order of its host
  std::vector<std::string> compute_order;  ///< "2F0" in the order in which it ran
};

class ProgramSimulation {
 public:
  explicit ProgramSimulation(const Program& program)
      : program_(program), content_(program), races_(program) {
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
                          .clock = StreamClock(numbers_.size(), 0)};
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
    result_.races = races_.found();
    result_.wrong = content_.wrong();
    return result_;
  }

 private:
  struct StreamState {
    int rank = 0;
    int channel = -1;
    std::vector<const Instruction*> queue;
    std::size_t next = 0;
    StreamClock clock;
    bool posted = false;
  };

  static bool is_transfer(const Instruction& instruction) {
    return instruction.opcode == Opcode::send || instruction.opcode == Opcode::recv ||
           moves_sums(instruction) ||
           (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0);
  }

  static bool moves_sums(const Instruction& instruction) {
    return instruction.opcode == Opcode::send_sums || instruction.opcode == Opcode::recv_sums;
  }

  static bool are_ends(const Instruction& mine, const Instruction& theirs) {
    if (mine.opcode == Opcode::reduce_tied || theirs.opcode == Opcode::reduce_tied) {
      return mine.opcode == theirs.opcode;
    }
    return mine.opcode != theirs.opcode && moves_sums(mine) == moves_sums(theirs);
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
    if (instruction.opcode == Opcode::gradient_norm) {
      return meet_all(number);
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
          partner.channel != stream.channel || partner.rank != stream.queue[stream.next]->peer ||
          partner.queue[partner.next]->peer != stream.rank ||
          !are_ends(*stream.queue[stream.next], *partner.queue[partner.next])) {
        continue;
      }
      const Instruction& mine = *stream.queue[stream.next];
      const Instruction& theirs = *partner.queue[partner.next];
      content_.carry(stream.rank, mine, partner.rank, theirs);
      stream.posted = partner.posted = false;
      pass(number, mine);
      pass(static_cast<int>(other), theirs);
      join(stream.clock, partner.clock);
      join(partner.clock, stream.clock);
      return true;
    }
    return false;
  }

  bool meet_all(int number) {
    streams_[number].posted = true;
    std::vector<int> all;
    for (std::size_t other = 0; other < streams_.size(); ++other) {
      const StreamState& stream = streams_[other];
      if (stream.posted && stream.queue[stream.next]->opcode == Opcode::gradient_norm) {
        all.push_back(static_cast<int>(other));
      }
    }
    if (all.size() < program_.ranks.size()) {
      return false;
    }
    for (const int other : all) {
      streams_[other].posted = false;
      pass(other, *streams_[other].queue[streams_[other].next]);
    }
    for (const int one : all) {
      for (const int other : all) {
        join(streams_[one].clock, streams_[other].clock);
      }
    }
    return true;
  }

  static void join(StreamClock& clock, const StreamClock& other) {
    std::ranges::transform(clock, other, clock.begin(),
                           [](int a, int b) { return std::max(a, b); });
  }

  void pass(int number, const Instruction& instruction) {
    StreamState& stream = streams_[number];
    ++stream.next;
    ++stream.clock[number];
    if (instruction.opcode == Opcode::record) {
      events_[{stream.rank, instruction.event}] = stream.clock;
    }
    if (instruction.opcode == Opcode::compute) {
      result_.compute_order.push_back(schedule::to_string(instruction.action));
    }
    result_.updates += instruction.opcode == Opcode::gradient_norm ||
                               instruction.opcode == Opcode::gradient_sums ||
                               instruction.opcode == Opcode::update
                           ? 1
                           : 0;
    content_.pass(stream.rank, instruction);
    races_.pass(stream.rank, number, stream.clock, instruction);
  }

  const Program& program_;
  std::map<std::pair<int, int>, int> numbers_;  // (rank, stream) → number
  std::vector<StreamState> streams_;
  std::map<std::pair<int, int>, StreamClock> events_;
  ProgramContent content_;
  ProgramRaces races_;
  SimulationResult result_;
};

}  // namespace lockflight::plan
