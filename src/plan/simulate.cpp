#include "lockflight/plan/simulate.h"

#include <algorithm>
#include <cstddef>
#include <functional>
#include <queue>
#include <string>
#include <tuple>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "plan/copies.h"
#include "plan/rank_ledger.h"
#include "plan/stream_order.h"

namespace lockflight::plan {
namespace {

using schedule::ActionKind;

const LinkCosts& link_between(const StepCosts& costs, int from, int to) {
  if (costs.links.empty()) {
    return costs.link;
  }
  const auto special = costs.links.find({from, to});
  return special == costs.links.end() ? costs.link : special->second;
}

// Of a transfer or a tied sum.
double bytes_of(const Program& program, const StepCosts& costs, const Instruction& instruction) {
  const int stage = instruction.action.stage;
  if (instruction.opcode == Opcode::send_sums || instruction.opcode == Opcode::recv_sums) {
    return 0;  // they are few
  }
  switch (instruction.opcode == Opcode::reduce_tied ? ActionKind::reduce_grad
                                                    : instruction.action.kind) {
    case ActionKind::send_forward:
      return costs.stages[stage].output_bytes;
    case ActionKind::recv_forward:
      return costs.stages[stage - 1].output_bytes;
    case ActionKind::send_backward:
      return costs.stages[stage - 1].output_gradient_bytes;
    case ActionKind::recv_backward:
      return costs.stages[stage].output_gradient_bytes;
    default:
      break;
  }
  const TiedStages& tie = program.ties[instruction.slot];
  if (!ties_copies(program.placement, tie)) {
    return costs.tied_bytes;
  }
  return costs.copy_bytes.empty() ? 0 : costs.copy_bytes[tie.first];
}

bool is_action(Opcode opcode) {
  return opcode != Opcode::record && opcode != Opcode::wait && opcode != Opcode::allocate &&
         opcode != Opcode::release;
}

struct StreamState {
  int rank = 0;
  int partner = -1;  // the stream at the other end of its channel
  std::size_t next = 0;
  std::size_t end = 0;
  double time = 0;         // when what it has done so far is over
  double ready = 0;        // when all that it has waited for was there, its own transfers not
  double other_ready = 0;  // the same at the other end of its last transfer
  int awaited = -1;        // the event at which it stands
  bool arrived = false;    // it stands at a transfer
};

// A transfer whose ends have both come, and that waits for a shared way.
struct ReadyTransfer {
  double time;
  int channel;
  int stream;

  friend bool operator>(const ReadyTransfer& a, const ReadyTransfer& b) {
    return std::tie(a.time, a.channel) > std::tie(b.time, b.channel);
  }
};

// Times depend only on times that come before them, so streams may run ahead of each other as far
// as they get.  Only a shared way needs its transfers in the order of time: the earliest is let
// through when no stream can go on without one.  Whatever becomes ready later is not earlier.
class Simulation {
 public:
  Simulation(const Program& program, const StepCosts& costs, const SimulateOptions& options)
      : program_(program), costs_(costs), options_(options), order_(program) {
    events_.resize(order_.first_event.back());
    actions_.reserve(costs.host > 0 ? order_.positions.size() : 0);
    for (const StreamOrder::Stream& stream : order_.streams) {
      streams_.push_back({.rank = stream.rank,
                          .partner = stream.partner,
                          .next = stream.begin,
                          .end = stream.end});
    }
    for (std::size_t rank = 0; rank < program.ranks.size(); ++rank) {
      read(static_cast<int>(rank));
    }
    if (costs.sharing != LinkSharing::none) {
      const std::size_t ranks = program.ranks.size();
      way_free_.resize(costs.sharing == LinkSharing::pair ? ranks * ranks : 2 * ranks);
    }
  }

  SimulatedStep run() {
    for (int stream = static_cast<int>(streams_.size()) - 1; stream >= 0; --stream) {
      runnable_.push_back(stream);
    }
    while (!runnable_.empty() || !ready_transfers_.empty()) {
      if (runnable_.empty()) {
        pass_shared_way();
      }
      const int stream = runnable_.back();
      runnable_.pop_back();
      StreamState& state = streams_[stream];
      while (state.next < state.end && take(stream)) {
        ++state.next;
      }
    }
    refuse_if_stuck();
    finish();
    return std::move(step_);
  }

 private:
  const Instruction& instruction_of(const StreamState& stream) const {
    return program_.ranks[stream.rank].instructions[order_.positions[stream.next]];
  }
  bool computes(int stream) const { return stream == order_.first_stream[streams_[stream].rank]; }

  void read(int rank) {
    std::uint32_t actions = 0;
    bool trains = false;
    bool meets = false;
    for (const Instruction& instruction : program_.ranks[rank].instructions) {
      actions += is_action(instruction.opcode) ? 1 : 0;
      if (costs_.host > 0) {
        actions_.push_back(actions);
      }
      meets = meets || instruction.opcode == Opcode::gradient_norm;
      trains = trains || (instruction.opcode == Opcode::compute &&
                          instruction.action.kind != ActionKind::forward);
    }
    meeting_ += meets ? 1 : 0;
    ledgers_.emplace_back(
        LedgerOptions{.stages = static_cast<int>(program_.placement.stages_of(rank).size()) /
                                program_.placement.copies(),
                      .keeps = trains,
                      .memory = options_.memory});
  }

  // Takes a stream's next instruction; false if it cannot yet.
  bool take(int stream) {
    StreamState& state = streams_[stream];
    const Instruction& instruction = instruction_of(state);
    if (costs_.host > 0) {
      const std::size_t place = order_.first_instruction[state.rank] + order_.positions[state.next];
      const double enqueued = costs_.host * actions_[place];
      state.ready = std::max(state.ready, enqueued);
      state.time = std::max(state.time, enqueued);
    }
    switch (instruction.opcode) {
      case Opcode::compute:
        compute(stream, instruction);
        return true;
      case Opcode::send:
      case Opcode::recv:
      case Opcode::send_sums:
      case Opcode::recv_sums:
        return arrive(stream);
      case Opcode::reduce_tied:
        return instruction.peer < 0 || arrive(stream);
      case Opcode::record:
        record(stream, instruction.event);
        return true;
      case Opcode::wait:
        return wait(stream, instruction.event);
      case Opcode::gradient_norm:
        return meet(stream);
      case Opcode::update:
        update(stream, instruction);
        return true;
      case Opcode::gradient_sums:
      case Opcode::add_sums:
      case Opcode::read_sums:
      case Opcode::validate:
      case Opcode::allocate:
      case Opcode::release:
        return true;
    }
    return true;
  }

  void compute(int stream, const Instruction& instruction) {
    StreamState& state = streams_[stream];
    const StageCosts& costs = costs_.stages[instruction.action.stage];
    const double begin = state.time;
    state.time = ledgers_[state.rank].compute(instruction.action, costs, begin,
                                              is_overlapped(instruction) ? costs_.overlap : 1);
    add_span(stream, instruction, begin, state.time);
  }

  // Whether a compute is the second part of a pair, or the compute behind it is.
  bool is_overlapped(const Instruction& instruction) const {
    if (costs_.overlap == 1) {
      return false;
    }
    const std::vector<Instruction>& all = program_.ranks[rank_of(instruction)].instructions;
    const auto next =
        std::find_if(all.begin() + (&instruction - all.data()) + 1, all.end(),
                     [](const Instruction& other) { return other.opcode == Opcode::compute; });
    return instruction.stream != 0 || (next != all.end() && next->stream != 0);
  }

  int rank_of(const Instruction& instruction) const {
    return program_.placement.rank_of(instruction.action.stage);
  }

  void update(int stream, const Instruction& instruction) {
    StreamState& state = streams_[stream];
    const double time = costs_.update.empty() ? 0 : costs_.update[state.rank];
    ledgers_[state.rank].update(state.time, time);
    add_span(stream, instruction, state.time, state.time + time);
    state.time += time;
  }

  void record(int stream, int event) {
    const StreamState& state = streams_[stream];
    events_[order_.first_event[state.rank] + event] = {
        .time = state.time, .ready = computes(stream) ? state.time : state.other_ready};
    const int first = order_.first_stream[state.rank];
    const int count = static_cast<int>(program_.ranks[state.rank].streams.size());
    for (int other = first; other < first + count; ++other) {
      if (streams_[other].awaited == event) {
        streams_[other].awaited = -1;
        runnable_.push_back(other);
      }
    }
  }

  bool wait(int stream, int number) {
    StreamState& state = streams_[stream];
    const EventTime& event = events_[order_.first_event[state.rank] + number];
    if (event.time == EventTime::kNotYet) {
      state.awaited = number;
      return false;
    }
    state.ready = std::max(state.ready, event.time);
    state.time = std::max(state.time, event.time);
    if (computes(stream)) {
      ledgers_[state.rank].wait(event);
    }
    return true;
  }

  // Comes to a transfer; true if it is over at once, with that of the other end.
  bool arrive(int stream) {
    StreamState& state = streams_[stream];
    state.arrived = true;
    if (state.partner < 0 || !streams_[state.partner].arrived) {
      return false;
    }
    const double ready = std::max(state.time, streams_[state.partner].time);
    const bool shares =
        costs_.sharing != LinkSharing::none && instruction_of(state).opcode != Opcode::reduce_tied;
    if (shares) {
      ready_transfers_.push(
          {.time = ready, .channel = order_.streams[stream].channel, .stream = stream});
      return false;
    }
    transfer(stream, ready);
    go_on(state.partner);
    return true;
  }

  // The earliest of those that are ready, as soon as its way is free.
  void pass_shared_way() {
    const ReadyTransfer ready = ready_transfers_.top();
    ready_transfers_.pop();
    const auto [from, to] = direction(ready.stream);
    const std::size_t ranks = program_.ranks.size();
    const bool by_pair = costs_.sharing == LinkSharing::pair;
    double& out = way_free_[by_pair ? from * ranks + to : from];
    double& in = way_free_[by_pair ? from * ranks + to : ranks + to];
    out = in = transfer(ready.stream, std::max({ready.time, out, in}));
    go_on(ready.stream);
    go_on(streams_[ready.stream].partner);
  }

  void go_on(int stream) {
    ++streams_[stream].next;
    runnable_.push_back(stream);
  }

  std::pair<int, int> direction(int stream) const {
    const int mine = streams_[stream].rank;
    const int other = streams_[streams_[stream].partner].rank;
    switch (instruction_of(streams_[stream]).opcode) {
      case Opcode::send:
      case Opcode::send_sums:
        return {mine, other};
      case Opcode::recv:
      case Opcode::recv_sums:
        return {other, mine};
      default:
        return std::minmax({mine, other});
    }
  }

  // Holds both streams from `begin` on, and returns the end.
  double transfer(int stream, double begin) {
    const auto [from, to] = direction(stream);
    StreamState& state = streams_[stream];
    StreamState& partner = streams_[state.partner];
    const Instruction& instruction = instruction_of(state);
    const double end =
        begin + link_between(costs_, from, to).time(bytes_of(program_, costs_, instruction));
    add_span(stream, instruction, begin, end);
    add_span(state.partner, instruction_of(partner), begin, end);
    state.other_ready = partner.ready;
    partner.other_ready = state.ready;
    for (StreamState* const side : {&state, &partner}) {
      side->time = end;
      side->arrived = false;
    }
    return end;
  }

  // The norm: who comes last lets all go on.
  bool meet(int stream) {
    met_.push_back(stream);
    if (static_cast<int>(met_.size()) < meeting_) {
      return false;
    }
    const std::vector<int> met = std::exchange(met_, {});
    double time = 0;
    for (const int other : met) {
      time = std::max(time, streams_[other].time);
    }
    for (const int other : met) {
      streams_[other].time = time;
      if (other != stream) {
        go_on(other);
      }
    }
    return true;
  }

  void add_span(int stream, const Instruction& instruction, double begin, double end) {
    if (options_.spans) {
      step_.spans.push_back({.rank = streams_[stream].rank,
                             .stream = instruction.stream,
                             .opcode = instruction.opcode,
                             .action = instruction.action,
                             .peer = instruction.peer,
                             .channel = order_.streams[stream].channel,
                             .begin = begin,
                             .end = end});
    }
  }

  void refuse_if_stuck() const {
    std::vector<std::string> places;
    int last_rank = -1;
    for (const StreamState& stream : streams_) {
      if (stream.next < stream.end && stream.rank != last_rank) {
        const Instruction& instruction = instruction_of(stream);
        places.push_back(fmt::format("rank {}, stream {} stands at {}", stream.rank,
                                     instruction.stream, to_string(instruction)));
        last_rank = stream.rank;
      }
    }
    if (!places.empty()) {
      throw PlanError(
          fmt::format("the program never comes to its end: {}", fmt::join(places, "; ")));
    }
  }

  void finish() {
    for (std::size_t rank = 0; rank < ledgers_.size(); ++rank) {
      step_.ranks.push_back(ledgers_[rank].result());
      step_.makespan = std::max(step_.makespan, streams_[order_.first_stream[rank]].time);
    }
    settle_idle_time(step_);
  }

  const Program& program_;
  const StepCosts& costs_;
  const SimulateOptions options_;
  const StreamOrder order_;
  SimulatedStep step_;
  std::vector<RankLedger> ledgers_;
  std::vector<std::uint32_t> actions_;  // enqueued up to an instruction, it included; if they cost
  std::vector<EventTime> events_;
  std::vector<StreamState> streams_;
  std::vector<int> runnable_;
  std::priority_queue<ReadyTransfer, std::vector<ReadyTransfer>, std::greater<>> ready_transfers_;
  std::vector<double> way_free_;  // of the shared ways
  std::vector<int> met_;          // compute streams that stand at the norm
  int meeting_ = 0;               // ranks that come to it
};

}  // namespace

SimulatedStep simulate(const Program& program, const StepCosts& costs,
                       const SimulateOptions& options) {
  check(costs, program);
  return Simulation(program, costs, options).run();
}

}  // namespace lockflight::plan
