// A program run tick by tick, with integer times: at every tick everything happens that can.  Slow
// and plain, to compare plan/simulate.h with.

#pragma once

#include <algorithm>
#include <cstddef>
#include <map>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "lockflight/plan/simulate.h"

namespace lockflight::plan {

class NaiveSimulation {
 public:
  NaiveSimulation(const Program& program, const StepCosts& costs)
      : program_(program), costs_(costs) {
    for (int rank = 0; rank < static_cast<int>(program.ranks.size()); ++rank) {
      const auto& uses = program.ranks[rank].streams;
      for (int number = 0; number < static_cast<int>(uses.size()); ++number) {
        streams_.push_back({.rank = rank, .number = number, .channel = uses[number].channel});
      }
      int actions = 0;
      for (const Instruction& instruction : program.ranks[rank].instructions) {
        const Opcode opcode = instruction.opcode;
        actions += opcode != Opcode::record && opcode != Opcode::wait &&
                           opcode != Opcode::allocate && opcode != Opcode::release
                       ? 1
                       : 0;
        stream(rank, instruction.stream)
            .queue.push_back({instruction, static_cast<int>(costs.host) * actions});
        computes_left_[rank] += opcode == Opcode::compute ? 1 : 0;
      }
    }
  }

  /// Spans in the order of rank, stream and time; of the ranks `idle`, without imbalance.
  SimulatedStep run() {
    step_.ranks.resize(program_.ranks.size());
    for (time_ = 0;; ++time_) {
      while (progress()) {
      }
      if (finished()) {
        break;
      }
      count_ticks();
    }
    step_.makespan = time_;
    for (const Stream& s : streams_) {
      step_.spans.insert(step_.spans.end(), s.spans.begin(), s.spans.end());
    }
    return step_;
  }

 private:
  struct Entry {
    Instruction instruction;
    int enqueued;
  };
  struct Stream {
    int rank = 0;
    int number = 0;
    int channel = -1;
    std::vector<Entry> queue;
    std::size_t next = 0;
    int busy_until = 0;
    bool arrived = false;
    std::vector<SimulatedSpan> spans;
  };
  struct Queued {
    int ready;
    int channel;
    Stream* a;
    Stream* b;
  };

  Stream& stream(int rank, int number) {
    return *std::ranges::find_if(
        streams_, [&](const Stream& s) { return s.rank == rank && s.number == number; });
  }
  static bool is_transfer(const Instruction& instruction) {
    return instruction.opcode == Opcode::send || instruction.opcode == Opcode::recv ||
           moves_sums(instruction) ||
           (instruction.opcode == Opcode::reduce_tied && instruction.peer >= 0);
  }
  static bool moves_sums(const Instruction& instruction) {
    return instruction.opcode == Opcode::send_sums || instruction.opcode == Opcode::recv_sums;
  }
  bool finished() const {
    return std::ranges::all_of(streams_, [&](const Stream& s) {
      return s.next == s.queue.size() && s.busy_until <= time_;
    });
  }
  bool ready(const Stream& s) const {
    return s.busy_until <= time_ && s.next < s.queue.size() && s.queue[s.next].enqueued <= time_;
  }
  Stream* partner_of(const Stream& s) {
    for (Stream& other : streams_) {
      if (&other != &s && other.channel == s.channel && s.channel >= 0) {
        return &other;
      }
    }
    return nullptr;
  }

  bool progress() {
    for (Stream& s : streams_) {
      if (ready(s) && step(s)) {
        return true;
      }
    }
    return start_transfer();
  }

  bool step(Stream& s) {
    const Instruction& instruction = s.queue[s.next].instruction;
    if (is_transfer(instruction)) {
      if (s.arrived) {
        return false;
      }
      s.arrived = true;
      if (Stream* partner = partner_of(s); partner->arrived) {
        transfers_.push_back({time_, s.channel, &s, partner});
      }
      return true;
    }
    switch (instruction.opcode) {
      case Opcode::wait:
        if (!events_.contains({s.rank, instruction.event})) {
          return false;
        }
        break;
      case Opcode::record:
        events_[{s.rank, instruction.event}] = time_;
        break;
      case Opcode::compute:
        --computes_left_[s.rank];
        explain_idle(s);
        begin_span(s, time_of(instruction));
        break;
      case Opcode::update:
        begin_span(s, costs_.update.empty() ? 0 : static_cast<int>(costs_.update[s.rank]));
        break;
      case Opcode::gradient_norm:
        return meet();
      default:
        break;
    }
    ++s.next;
    return true;
  }

  bool meet() {
    const auto at_norm = [&](Stream& s) {
      return ready(s) && s.queue[s.next].instruction.opcode == Opcode::gradient_norm;
    };
    std::vector<Stream*> met;
    for (Stream& s : streams_) {
      if (s.number == 0 && at_norm(s)) {
        met.push_back(&s);
      }
    }
    if (met.size() < program_.ranks.size()) {
      return false;
    }
    for (Stream* s : met) {
      ++s->next;
    }
    return true;
  }

  // The first in line whose ways nobody uses or waits for in front of it.
  bool start_transfer() {
    std::ranges::stable_sort(transfers_, {},
                             [](const Queued& q) { return std::pair(q.ready, q.channel); });
    std::vector<int> wanted;
    for (std::size_t i = 0; i < transfers_.size(); ++i) {
      const Queued queued = transfers_[i];
      const std::vector<int> ways = ways_of(*queued.a);
      const bool free = std::ranges::none_of(ways, [&](int way) {
        return ways_busy_until_[way] > time_ || std::ranges::find(wanted, way) != wanted.end();
      });
      if (free) {
        transfers_.erase(transfers_.begin() + static_cast<std::ptrdiff_t>(i));
        const int time = transfer_time(*queued.a);
        for (const int way : ways) {
          ways_busy_until_[way] = time_ + time;
        }
        for (Stream* s : {queued.a, queued.b}) {
          begin_span(*s, time);
          s->arrived = false;
          ++s->next;
        }
        return true;
      }
      wanted.insert(wanted.end(), ways.begin(), ways.end());
    }
    return false;
  }

  std::pair<int, int> direction(const Stream& s) const {
    const Instruction& instruction = s.queue[s.next].instruction;
    const bool receives =
        instruction.opcode == Opcode::recv || instruction.opcode == Opcode::recv_sums;
    return receives ? std::pair(instruction.peer, s.rank) : std::pair(s.rank, instruction.peer);
  }
  std::vector<int> ways_of(const Stream& s) const {
    const auto [from, to] = direction(s);
    if (costs_.sharing == LinkSharing::none ||
        s.queue[s.next].instruction.opcode == Opcode::reduce_tied) {
      return {};
    }
    return costs_.sharing == LinkSharing::pair ? std::vector{1000 * from + to}
                                               : std::vector{2 * from, 2 * to + 1};
  }
  int transfer_time(const Stream& s) const {
    const Instruction& instruction = s.queue[s.next].instruction;
    auto [from, to] = direction(s);
    double bytes = costs_.tied_bytes;
    if (moves_sums(instruction)) {
      bytes = 0;
    } else if (instruction.opcode == Opcode::reduce_tied) {
      std::tie(from, to) = std::pair(std::min(from, to), std::max(from, to));
    } else {
      const Boundary& boundary = program_.ranks[s.rank].slots[instruction.slot];
      const StageCosts& stage = costs_.stages[boundary.stage];
      bytes = boundary.kind == Boundary::Kind::activation ? stage.output_bytes
                                                          : stage.output_gradient_bytes;
    }
    const LinkCosts link =
        costs_.links.contains({from, to}) ? costs_.links.at({from, to}) : costs_.link;
    return static_cast<int>(link.latency + bytes / link.bandwidth);
  }
  int time_of(const Instruction& instruction) const {
    const schedule::StageTimes& times = costs_.stages[instruction.action.stage].times;
    const std::string kind(schedule::name_of(instruction.action.kind));
    const bool ahead = recomputes_before(program_, instruction.action.stage, instruction.stream);
    const double recompute = costs_.stages[instruction.action.stage].recompute;
    return static_cast<int>((kind == "F" ? times.forward : 0) + (kind == "R" ? recompute : 0) -
                            ((kind == "I" || kind == "B") && ahead ? recompute : 0) +
                            (kind == "I" || kind == "B" ? times.input_gradient : 0) +
                            (kind == "W" || kind == "B" ? times.weight_gradient : 0));
  }

  void begin_span(Stream& s, int time) {
    const Instruction& instruction = s.queue[s.next].instruction;
    s.busy_until = time_ + time;
    s.spans.push_back({.rank = s.rank,
                       .stream = s.number,
                       .opcode = instruction.opcode,
                       .action = instruction.action,
                       .begin = static_cast<double>(time_),
                       .end = static_cast<double>(time_ + time)});
  }

  // Of the ticks since the action before this one.
  void explain_idle(const Stream& s) {
    IdleTime& idle = step_.ranks[s.rank].idle;
    int event = -1;  // the last one to come of those that it waits for
    for (std::size_t i = s.next; i > 0 && s.queue[i - 1].instruction.opcode != Opcode::compute;
         --i) {
      const Instruction& before = s.queue[i - 1].instruction;
      if (before.opcode == Opcode::wait &&
          (event < 0 || events_[{s.rank, before.event}] > events_[{s.rank, event}])) {
        event = before.event;
      }
    }
    for (int tick = s.busy_until; tick < time_; ++tick) {
      if (event < 0 || events_[{s.rank, event}] <= tick) {
        idle.host += 1;
      } else if (other_end_is_ready(s.rank, event, tick)) {
        idle.transfer += 1;
      } else {
        idle.dependency += 1;
      }
    }
  }

  // What the compute streams do between this tick and the next one, but for what comes between
  // actions.
  void count_ticks() {
    for (Stream& s : streams_) {
      if (s.number == 0 && s.busy_until > time_) {
        step_.ranks[s.rank].busy += 1;
      } else if (s.number == 0 && computes_left_[s.rank] == 0) {
        step_.ranks[s.rank].idle.tail += 1;
      }
    }
  }

  // Of the transfer in front of the record of `event`.
  bool other_end_is_ready(int rank, int event, int tick) {
    for (const Stream& s : streams_) {
      int transfers = 0;
      for (const Entry& entry : s.queue) {
        transfers += is_transfer(entry.instruction) ? 1 : 0;
        if (s.rank == rank && entry.instruction.opcode == Opcode::record &&
            entry.instruction.event == event) {
          return is_ready(*partner_of(s), transfers, tick);
        }
      }
    }
    return false;
  }
  // All that stands between this transfer, counted from 1, and the one before it.
  bool is_ready(const Stream& s, int transfer, int tick) const {
    int transfers = 0;
    for (const Entry& entry : s.queue) {
      transfers += is_transfer(entry.instruction) ? 1 : 0;
      if (transfers == transfer) {
        return entry.enqueued <= tick;
      }
      if (transfers == transfer - 1 && entry.instruction.opcode == Opcode::wait) {
        const auto event = events_.find({s.rank, entry.instruction.event});
        if (event == events_.end() || event->second > tick) {
          return false;
        }
      }
    }
    return false;
  }

  const Program& program_;
  const StepCosts& costs_;
  std::vector<Stream> streams_;
  std::map<std::pair<int, int>, int> events_;  // when it was recorded, by (rank, event)
  std::map<int, int> computes_left_;
  std::vector<Queued> transfers_;
  std::map<int, int> ways_busy_until_;
  SimulatedStep step_;
  int time_ = 0;
};

}  // namespace lockflight::plan
