// A plain simulation of a program under the rules of NCCL: streams are in-order, a send and a
// receive of a channel meet in order and hold their streams until both have come, and the host
// frees and hands out memory in the order of its instructions.  It keeps vector clocks over all
// streams of all ranks and reports what is not ordered, and it follows what slots hold and reports
// what is computed from something else than it should be.

#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/plan/program.h"

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
      carry(stream.rank, mine, partner.rank, theirs);
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

  // A transfer takes the sender's bytes to the receiver's slot, whatever either calls them.
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
      result_.wrong.push_back(to_string(mine) + " meets " + to_string(theirs));
    }
  }

  // The ranks whose sums of squares a rank has, by what they are for.  Each set is a slot of its
  // own for races.
  enum Sums { kKnown = -100, kReceived, kAll };

  // Those of all ranks are on the last one what it knows.
  Sums sums_of_all(int rank) const {
    return rank + 1 < static_cast<int>(program_.ranks.size()) ? kAll : kKnown;
  }
  void carry_sums(int from, int to) {
    sums_[{to, to > from ? kReceived : kAll}] =
        sums_[{from, to > from ? kKnown : sums_of_all(from)}];
  }
  void expect_all_sums(int rank, const Instruction& instruction) {
    if (sums_[{rank, sums_of_all(rank)}].size() != program_.ranks.size()) {
      result_.wrong.push_back(to_string(instruction) + " without the sums of all ranks");
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
    const auto has_run = [&](const char* letter) {
      return ran_.contains(std::to_string(stage) + letter + std::to_string(micro_batch));
    };
    if (taken != input || output.has_value() != (instruction.output >= 0)) {
      result_.wrong.push_back(name + " has not its input, or nowhere to write");
    }
    if ((!forward && !has_run("F")) || (weight && !has_run("I")) || !ran_.insert(name).second) {
      result_.wrong.push_back(name + " runs too early, or again");
    }
    const bool recomputes = !program_.recomputes.empty() && program_.recomputes[stage];
    if ((again && (!recomputes || has_run("I") || has_run("B"))) ||
        (backward && has_run("R") != (recomputes && instruction.stream == 0))) {
      result_.wrong.push_back(name + " has not its recomputation in front of it");
    }
    if (kind == schedule::ActionKind::backward || weight) {
      int& summed = summed_[stage];
      const int begin = stage / parts * micro_batches_of_a_copy();
      if (begin + summed++ != micro_batch || closed_.contains(stage)) {
        result_.wrong.push_back(name + " is summed out of turn");
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
      result_.wrong.push_back(to_string(instruction) + " before the last gradient of stage " +
                              std::to_string(stage));
    }
    closed_.insert(stage);
  }

  void close_all(int rank, const Instruction& instruction) {
    for (const int stage : program_.placement.stages_of(rank)) {
      close(instruction, stage);
    }
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
        compute(rank, instruction);
        if (instruction.slot >= 0) {
          write(number, instruction.slot, instruction);  // it frees what it takes
        }
        if (instruction.output >= 0) {
          write(number, instruction.output, instruction);
        }
        break;
      case Opcode::allocate:
      case Opcode::release:
        content_[{rank, instruction.slot}] = std::nullopt;
        write(number, instruction.slot,
              instruction);  // the bytes change hands in the order of the compute stream
        break;
      case Opcode::recv:
        write(number, instruction.slot, instruction);
        break;
      case Opcode::send:
        read(number, instruction.slot, instruction);
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
        close_all(rank, instruction);
        ++result_.updates;
        break;
      case Opcode::update:
        close_all(rank, instruction);
        if (sums_.contains({rank, kKnown})) {
          read(number, kKnown, instruction);
        }
        ++result_.updates;
        break;
      case Opcode::gradient_sums:
        close_all(rank, instruction);
        sums_[{rank, kKnown}] = {rank};
        write(number, kKnown, instruction);
        ++result_.updates;
        break;
      case Opcode::add_sums: {
        const std::set<int>& more = sums_[{rank, kReceived}];
        sums_[{rank, kKnown}].insert(more.begin(), more.end());
        read(number, kReceived, instruction);
        write(number, kKnown, instruction);
        break;
      }
      case Opcode::send_sums:
        read(number, instruction.peer > rank ? kKnown : sums_of_all(rank), instruction);
        break;
      case Opcode::recv_sums:
        write(number, instruction.peer > rank ? kAll : kReceived, instruction);
        break;
      case Opcode::read_sums:
      case Opcode::validate:
        expect_all_sums(rank, instruction);
        read(number, sums_of_all(rank), instruction);
        break;
      case Opcode::wait:
        break;
    }
    touch_ties(number, instruction);
    touch_stages(number, instruction);
  }

  // So are a stage's gradients, and what it keeps of a micro-batch.
  void touch_stages(int number, const Instruction& instruction) {
    const int ties = static_cast<int>(program_.ties.size());
    const auto gradients = [&](int stage) { return -2 - ties - stage; };
    if (instruction.opcode == Opcode::compute) {
      const auto& [stage, kind, micro_batch] = instruction.action;
      write(number,
            -2 - ties - program_.placement.stages() - stage * program_.micro_batches - micro_batch,
            instruction);
      if (kind == schedule::ActionKind::backward || kind == schedule::ActionKind::weight_gradient) {
        write(number, gradients(stage), instruction);
      }
    } else if (instruction.opcode == Opcode::gradient_norm ||
               instruction.opcode == Opcode::update) {
      for (const int stage : program_.placement.stages_of(streams_[number].rank)) {
        write(number, gradients(stage), instruction);
      }
    }
  }

  // The gradients of a tie are a slot of their own on every rank that has a copy.
  void touch_ties(int number, const Instruction& instruction) {
    const int rank = streams_[number].rank;
    for (std::size_t tie = 0; tie < program_.ties.size(); ++tie) {
      const auto [first, second] = program_.ties[tie];
      const bool here =
          program_.placement.rank_of(first) == rank || program_.placement.rank_of(second) == rank;
      const bool sums = instruction.opcode == Opcode::compute &&
                        (instruction.action.kind == schedule::ActionKind::backward ||
                         instruction.action.kind == schedule::ActionKind::weight_gradient) &&
                        (instruction.action.stage == first || instruction.action.stage == second);
      bool reduces = false;
      if (instruction.opcode == Opcode::reduce_tied) {
        // One over two copies is of all parameters of its stages.
        const auto [one, other] = program_.ties[instruction.slot];
        const bool over_copies =
            copies() == 2 && other == one + program_.placement.stages() / copies();
        reduces =
            instruction.slot == static_cast<int>(tie) ||
            (over_copies && (first == one || first == other || second == one || second == other));
      }
      const bool updates =
          instruction.opcode == Opcode::gradient_norm || instruction.opcode == Opcode::update ||
          instruction.opcode == Opcode::gradient_sums || instruction.opcode == Opcode::validate;
      if (here && (sums || reduces || updates)) {
        write(number, -2 - static_cast<int>(tie), instruction);
      }
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
  std::map<std::pair<int, int>, std::optional<Boundary>> content_;  // what (rank, slot) holds
  std::map<std::pair<int, int>, std::set<int>> sums_;               // by (rank, Sums)
  std::set<std::string> ran_;
  std::map<int, int> summed_;  // by stage
  std::set<int> closed_;       // stages whose gradients are used
  SimulationResult result_;
};

}  // namespace lockflight::plan
