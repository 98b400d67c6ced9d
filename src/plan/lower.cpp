#include "lockflight/plan/lower.h"

#include <algorithm>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "plan/copies.h"
#include "plan/edges.h"
#include "plan/lower_state.h"
#include "plan/lower_update.h"
#include "plan/prologue.h"

namespace lockflight::plan {
namespace {

using schedule::Action;
using schedule::Schedule;

class Lowering {
 public:
  Lowering(const Schedule& schedule, const std::vector<TiedStages>& ties,
           const LowerOptions& options)
      : schedule_(schedule),
        ties_(ties),
        options_(options),
        trains_(schedule::has_backward(schedule)),
        edges_(2 * (schedule.stages() - 1)),
        clocks_(schedule.ranks()),
        ranks_(schedule.ranks()),
        channels_(edges_ + ties.size()),
        passages_(static_cast<std::size_t>(edges_) * schedule.micro_batches) {
    program_.micro_batches = schedule.micro_batches;
    program_.placement = schedule.placement;
    program_.ties = ties;
    program_.channels = static_cast<int>(channels_.size());
    if (trains_ && options.optimizer == OptimizerPlace::in_schedule) {
      program_.channels += channels_of_update(schedule.ranks());
    }
    program_.ranks.resize(ranks_.size());
    connect();
    for (int rank = 0; rank < schedule.ranks(); ++rank) {
      read_order(rank);
      reserve(rank);
    }
    find_prologues();
  }

  // Takes any action whose inputs are made, until all are taken or none can be.
  Program run() {
    for (int rank = schedule_.ranks() - 1; rank >= 0; --rank) {
      ready_.push_back(rank);
    }
    while (!ready_.empty()) {
      const int rank = ready_.back();
      ready_.pop_back();
      while (take_next(rank)) {
      }
    }
    check_all_taken();
    for (int rank = 0; rank < schedule_.ranks(); ++rank) {
      finish(rank);
    }
    return std::move(program_);
  }

 private:
  int rank_of(int stage) const { return schedule_.placement.rank_of(stage); }
  std::optional<Boundary> input_of(const Action& action) const {
    return plan::input_of(action, schedule_.placement);
  }
  std::optional<Boundary> output_of(const Action& action) const {
    return plan::output_of(action, schedule_.placement);
  }
  bool is_transfer(const Boundary& b) const {
    const Channel& channel = channels_[channel_of(b)];
    return channel.rank[sending] != channel.rank[receiving];
  }
  std::size_t number_of(const Boundary& b) const {
    return static_cast<std::size_t>(channel_of(b)) * schedule_.micro_batches + b.micro_batch;
  }
  Passage& passage(const Boundary& b) { return passages_[number_of(b)]; }
  const Passage& passage(const Boundary& b) const { return passages_[number_of(b)]; }

  void connect() {
    for (int stage = 0; stage + 1 < schedule_.stages(); ++stage) {
      if (!has_boundary(schedule_.placement, stage)) {
        continue;
      }
      for (const auto kind : {Boundary::Kind::activation, Boundary::Kind::gradient}) {
        const Boundary b{kind, stage, 0};
        const int channel = channel_of(b);
        channels_[channel].rank = {rank_of(maker_stage(b)), rank_of(taker_stage(b))};
        if (is_transfer(b)) {
          ranks_[channels_[channel].rank[sending]].sends.push_back(channel);
        }
      }
    }
    for (std::size_t tie = 0; tie < ties_.size(); ++tie) {
      channels_[edges_ + tie].rank = {rank_of(ties_[tie].first), rank_of(ties_[tie].second)};
    }
  }

  void read_order(int rank) {
    RankState& state = ranks_[rank];
    for (const schedule::Cell& cell : schedule_.rows[rank]) {
      state.order.insert(state.order.end(), cell.begin(), cell.end());
      state.begins_pair.resize(state.order.size(), false);
      if (schedule::is_overlapped(cell)) {
        state.begins_pair[state.order.size() - 2] = true;
      }
    }
    state.clock.assign(schedule_.ranks(), 0);
    for (std::size_t i = 0; i < state.order.size(); ++i) {
      if (const auto input = input_of(state.order[i])) {
        passage(*input).taken_by = static_cast<int>(i);
      }
    }
  }

  void find_prologues() {
    prologues_.assign(ranks_.size(), 0);
    if (trains_ && options_.optimizer == OptimizerPlace::in_schedule) {
      std::vector<std::vector<Action>> orders;
      for (const RankState& state : ranks_) {
        std::vector<Action>& order = orders.emplace_back(state.order);
        for (std::size_t i = 0; i < order.size(); ++i) {
          if (state.begins_pair[i] && order[i].kind == schedule::ActionKind::forward) {
            std::swap(order[i], order[i + 1]);  // no pair is cut in two
          }
        }
      }
      prologues_ = prologue_actions(schedule_, orders);
    }
  }

  // Programs are long: their memory is counted, not found out by doubling.
  void reserve(int rank) {
    constexpr int kReceive = 6;  // allocate, record, wait, recv, record; wait
    constexpr int kSend = 6;     // record, wait, send, record; wait, release
    constexpr int kTie = 5;      // record, wait, reduce_tied, record, wait
    constexpr int kPair = 4;     // record, wait; record, wait
    std::size_t instructions = ranks_[rank].order.size();
    std::size_t slots = 0;
    for (const Action& action : ranks_[rank].order) {
      const auto input = input_of(action);
      const auto output = output_of(action);
      const bool receives = input && is_transfer(*input);
      const bool sends = output && is_transfer(*output);
      instructions += (receives ? kReceive : 0) + (sends ? kSend : 0);
      slots += (receives ? 1 : 0) + (output ? 1 : 0);
    }
    instructions +=
        kPair * static_cast<std::size_t>(std::ranges::count(ranks_[rank].begins_pair, true));
    instructions += (trains_ ? kMostOfAnUpdate + kTie * ties_of(rank) : 0);
    program_.ranks[rank].instructions.reserve(instructions);
    program_.ranks[rank].slots.reserve(slots);
    program_.ranks[rank].streams.push_back({});
  }

  std::ptrdiff_t ties_of(int rank) const {
    return std::ranges::count_if(ties_, [&](const TiedStages& tie) {
      return rank_of(tie.first) == rank || rank_of(tie.second) == rank;
    });
  }

  // Emits a rank's next action, or overlapped pair, with what belongs to it; false if there is none
  // or its inputs are not made yet.
  bool take_next(int rank) {
    RankState& state = ranks_[rank];
    const std::size_t begin = state.next;
    if (begin == state.order.size() || !take_inputs(rank, begin, begin + size_of(state, begin))) {
      return false;
    }
    if (begin == prologues_[rank]) {
      end_prologue(rank);
    }
    const std::size_t end = begin + size_of(state, begin);
    settle_sends(rank);
    post_receives(rank, end);
    for (std::size_t i = begin; i < end; ++i) {
      await_input(rank, state.order[i]);
    }
    const int second = end - begin == 2 ? second_stream(rank) : 0;
    if (second != 0) {
      order_after(rank, 0, second);
    }
    compute(rank, begin, 0);
    if (second != 0) {
      compute(rank, begin + 1, second);
      order_after(rank, second, 0);
    }
    state.clock[rank] = static_cast<int>(end);
    state.next = end;
    return true;
  }

  // Of the action or pair in this position.
  static std::size_t size_of(const RankState& state, std::size_t position) {
    return state.begins_pair[position] ? 2 : 1;
  }

  // Joins what the inputs of these actions tell, if all are made.
  bool take_inputs(int rank, std::size_t begin, std::size_t end) {
    RankState& state = ranks_[rank];
    for (std::size_t i = begin; i < end; ++i) {
      const auto input = input_of(state.order[i]);
      if (input && passage(*input).clock < 0) {
        return false;
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (const auto input = input_of(state.order[i])) {
        clocks_.join(state.clock, std::exchange(passage(*input).clock, -1));
      }
    }
    return true;
  }

  // For the actions before `end` and so many ahead, but in a prologue for none behind it.
  void post_receives(int rank, std::size_t end) {
    RankState& state = ranks_[rank];
    end += static_cast<std::size_t>(options_.receive_ahead);
    if (state.next < prologues_[rank]) {
      end = std::min(end, prologues_[rank]);
    }
    for (; state.posted < std::min(end, state.order.size()); ++state.posted) {
      post_receive(rank, state.posted);
    }
  }

  void await_input(int rank, const Action& action) {
    const auto input = input_of(action);
    if (input && is_transfer(*input)) {
      emit(rank, {.opcode = Opcode::wait, .event = passage(*input).received});
    }
  }

  // When an action is over, so are those in front of it; of a pair's second part only those in
  // front of the pair are known to be.
  void compute(int rank, std::size_t position, int stream) {
    RankState& state = ranks_[rank];
    const Action& action = state.order[position];
    const auto input = input_of(action);
    const auto output = output_of(action);
    emit(rank, {.opcode = Opcode::compute,
                .stream = stream,
                .action = action,
                .slot = input ? passage(*input).slot[receiving] : -1,
                .output = output ? make_slot(rank, sending, *output) : -1});
    state.clock[rank] = static_cast<int>(position) + (stream == 0 ? 1 : -1);
    if (output) {
      hand_over(rank, *output, stream);
    }
  }

  // What a stream has made.
  void hand_over(int rank, const Boundary& output, int stream) {
    Passage& made = passage(output);
    made.clock = clocks_.copy(ranks_[rank].clock);
    if (is_transfer(output)) {
      const int ready = record(rank, stream);
      if (leaves_prologue(rank, output)) {
        ranks_[rank].held_back.push_back({.boundary = output, .made = ready});
      } else {
        emit_send(rank, output, ready);
      }
      wake(channels_[channel_of(output)].rank[receiving], made.taken_by);
    } else {
      made.slot[receiving] = made.slot[sending];
    }
  }

  // Whether it is made in the rank's prologue, but taken behind that of its taker.
  bool leaves_prologue(int rank, const Boundary& output) const {
    const int taker = channels_[channel_of(output)].rank[receiving];
    return ranks_[rank].next < prologues_[rank] &&
           static_cast<std::size_t>(passage(output).taken_by) >= prologues_[taker];
  }

  void end_prologue(int rank) {
    program_.ranks[rank].prologue = program_.ranks[rank].instructions.size();
    for (const HeldBack& held : std::exchange(ranks_[rank].held_back, {})) {
      emit_send(rank, held.boundary, held.made);
    }
  }

  // Has a rank looked at that stands at the action in this position, or at its pair.
  void wake(int rank, int position) {
    const RankState& state = ranks_[rank];
    const auto next = static_cast<int>(state.next);
    if (next == position || (next + 1 == position && state.begins_pair[state.next])) {
      ready_.push_back(rank);
    }
  }

  // Waits for sends whose bytes the takers must have by now, judging by the clock, and frees their
  // memory.  The oldest first: what a later one tells often includes that an earlier one is done,
  // and then its wait would be for nothing.
  void settle_sends(int rank) {
    std::vector<PendingSend> taken;
    for (const int number : ranks_[rank].sends) {
      Channel& channel = channels_[number];
      const int over = ranks_[rank].clock[channel.rank[receiving]];
      while (!channel.pending.empty() && channel.pending.front().taken_by < over) {
        taken.push_back(channel.pending.front());
        channel.pending.pop_front();
      }
    }
    settle(rank, std::move(taken));
  }

  void settle(int rank, std::vector<PendingSend> sends) {
    std::ranges::sort(sends, {}, &PendingSend::event);
    for (const PendingSend& send : sends) {
      emit(rank, {.opcode = Opcode::wait, .event = send.event});
      emit(rank, {.opcode = Opcode::release, .slot = send.slot});
    }
  }

  void post_receive(int rank, std::size_t position) {
    const auto input = input_of(ranks_[rank].order[position]);
    if (!input || !is_transfer(*input)) {
      return;
    }
    const int channel = channel_of(*input);
    const int peer = channels_[channel].rank[sending];
    const int stream = stream_of(channel, receiving);
    const int slot = make_slot(rank, receiving, *input);
    emit(rank, {.opcode = Opcode::allocate, .slot = slot});
    order_after(rank, 0, stream);
    emit(rank, {.opcode = Opcode::recv,
                .stream = stream,
                .action = recv_action(*input),
                .slot = slot,
                .peer = peer});
    passage(*input).received = record(rank, stream);
  }

  // Behind the event `made`.
  void emit_send(int rank, const Boundary& output, int made) {
    const int channel = channel_of(output);
    const int stream = stream_of(channel, sending);
    const int slot = passage(output).slot[sending];
    emit(rank, {.opcode = Opcode::wait, .stream = stream, .event = made});
    emit(rank, {.opcode = Opcode::send,
                .stream = stream,
                .action = send_action(output),
                .slot = slot,
                .peer = channels_[channel].rank[receiving]});
    const int event = record(rank, stream);
    channels_[channel].pending.push_back({slot, event, passage(output).taken_by});
  }

  // The end of the step: tied gradients, what nothing has settled, and the update.
  void finish(int rank) {
    for (std::size_t tie = 0; tie < ties_.size() && trains_; ++tie) {
      emit_tie(rank, static_cast<int>(tie));
    }
    std::vector<PendingSend> left;
    for (const int channel : ranks_[rank].sends) {
      const auto& pending = channels_[channel].pending;
      left.insert(left.end(), pending.begin(), pending.end());
    }
    settle(rank, std::move(left));
    if (trains_ && options_.optimizer == OptimizerPlace::in_schedule) {
      append_update_in_schedule(program_, rank, static_cast<int>(channels_.size()));
    } else if (trains_) {
      emit(rank, {.opcode = Opcode::gradient_norm});
      emit(rank, {.opcode = Opcode::update});
    }
  }

  void emit_tie(int rank, int tie) {
    const auto [first, second] = channels_[edges_ + tie].rank;
    if (rank != first && rank != second) {
      return;
    }
    if (first == second) {
      emit(rank, {.opcode = Opcode::reduce_tied, .slot = tie});
      return;
    }
    const int stream = stream_of(edges_ + tie, rank == first ? sending : receiving);
    order_after(rank, 0, stream);
    emit(rank, {.opcode = Opcode::reduce_tied,
                .stream = stream,
                .slot = tie,
                .peer = rank == first ? second : first});
    order_after(rank, stream, 0);
  }

  // What follows on `later` starts when `earlier` has got here.
  void order_after(int rank, int earlier, int later) {
    emit(rank, {.opcode = Opcode::wait, .stream = later, .event = record(rank, earlier)});
  }

  int record(int rank, int stream) {
    const int event = program_.ranks[rank].events++;
    emit(rank, {.opcode = Opcode::record, .stream = stream, .event = event});
    return event;
  }

  void emit(int rank, const Instruction& instruction) {
    program_.ranks[rank].instructions.push_back(instruction);
  }

  int make_slot(int rank, End end, const Boundary& boundary) {
    auto& slots = program_.ranks[rank].slots;
    slots.push_back(boundary);
    return passage(boundary).slot[end] = static_cast<int>(slots.size()) - 1;
  }

  // A rank's streams are numbered in the order of their first use.  A tied sum sends and receives.
  int stream_of(int number, End end) {
    Channel& channel = channels_[number];
    if (channel.stream[end] == 0) {
      auto& streams = program_.ranks[channel.rank[end]].streams;
      channel.stream[end] = static_cast<int>(streams.size());
      streams.push_back({.peer = channel.rank[1 - end],
                         .channel = number,
                         .sends = end == sending || number >= edges_});
    }
    return channel.stream[end];
  }

  int second_stream(int rank) {
    int& stream = ranks_[rank].second_stream;
    if (stream == 0) {
      auto& streams = program_.ranks[rank].streams;
      stream = static_cast<int>(streams.size());
      streams.push_back({});
    }
    return stream;
  }

  void check_all_taken() const {
    std::vector<std::string> waiting;
    for (int rank = 0; rank < schedule_.ranks(); ++rank) {
      const RankState& state = ranks_[rank];
      if (state.next < state.order.size()) {
        waiting.push_back(fmt::format("rank {} stands at {}", rank,
                                      schedule::to_string(state.order[state.next])));
      }
    }
    if (!waiting.empty()) {
      throw PlanError(
          fmt::format("schedule {}: its order makes ranks wait for each other in a circle: {}",
                      schedule_.name, fmt::join(waiting, ", ")));
    }
  }

  const Schedule& schedule_;
  const std::vector<TiedStages>& ties_;
  const LowerOptions options_;
  const bool trains_;
  const int edges_;  // their channels are numbered from 0, those of the ties follow
  Program program_;
  Clocks clocks_;
  std::vector<RankState> ranks_;
  std::vector<Channel> channels_;
  std::vector<Passage> passages_;       // by channel and micro-batch
  std::vector<std::size_t> prologues_;  // actions, by rank
  std::vector<int> ready_;              // ranks to look at
};

}  // namespace

Program lower(const Schedule& schedule, const std::vector<TiedStages>& model_ties,
              const LowerOptions& options) {
  if (options.receive_ahead < 0) {
    throw InvalidArgument(
        fmt::format("lower: receives are to be posted {} actions ahead; it must be 0 or more",
                    options.receive_ahead));
  }
  auto findings = schedule::validate(schedule);
  if (schedule::is_lowered(schedule)) {
    findings.emplace_back(
        "it holds transfers already; only schedules of F, I, W and B can be lowered");
  }
  if (!findings.empty()) {
    throw PlanError(fmt::format("schedule {}: {}", schedule.name, fmt::join(findings, "; ")));
  }
  check_edges(schedule);
  const std::vector<TiedStages> ties = ties_of_copies(schedule.placement, model_ties);
  return Lowering(schedule, ties, options).run();
}

}  // namespace lockflight::plan
