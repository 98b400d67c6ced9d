#include "plan/lower_transfers.h"

#include <algorithm>
#include <utility>

namespace lockflight::plan {

using schedule::Action;

Transfers::Transfers(const schedule::Schedule& schedule, const std::vector<TiedStages>& ties,
                     std::vector<RankProgram>& programs)
    : programs_(programs),
      placement_(schedule.placement),
      micro_batches_(schedule.micro_batches),
      edges_(2 * (schedule.stages() - 1)),
      channels_(edges_ + ties.size()),
      passages_(static_cast<std::size_t>(edges_) * micro_batches_),
      sends_(programs.size()) {
  const auto rank_of = [&](int stage) { return schedule.placement.rank_of(stage); };
  for (int stage = 0; stage < schedule.stages(); ++stage) {
    if (!has_boundary(placement_, stage)) {
      continue;
    }
    for (const auto kind : {Boundary::Kind::activation, Boundary::Kind::gradient}) {
      const Boundary b{kind, stage, 0};
      const int channel = channel_of(b);
      channels_[channel].rank = {rank_of(maker_stage(b)), rank_of(taker_stage(b))};
      if (crosses_ranks(b)) {
        sends_[channels_[channel].rank[sending]].push_back(channel);
      }
    }
  }
  for (std::size_t tie = 0; tie < ties.size(); ++tie) {
    channels_[edges_ + tie].rank = {rank_of(ties[tie].first), rank_of(ties[tie].second)};
  }
}

Transfers::Room Transfers::room_for(int rank, const std::vector<Action>& order) const {
  constexpr int kReceive = 6;  // allocate, record, wait, recv, record; wait
  constexpr int kSend = 6;     // record, wait, send, record; wait, release
  constexpr int kTie = 5;      // record, wait, reduce_tied, record, wait
  Room room;
  for (const Action& action : order) {
    const auto input = input_of(action, placement_);
    const auto output = output_of(action, placement_);
    const bool receives = input && crosses_ranks(*input);
    const bool sends = output && crosses_ranks(*output);
    room.instructions += (receives ? kReceive : 0) + (sends ? kSend : 0);
    room.slots += (receives ? 1 : 0) + (output ? 1 : 0);
  }
  const auto has_end = [rank](const Channel& tie) {
    return tie.rank[sending] == rank || tie.rank[receiving] == rank;
  };
  room.instructions += kTie * std::count_if(channels_.begin() + edges_, channels_.end(), has_end);
  return room;
}

int Transfers::make_slot(int rank, End end, const Boundary& boundary) {
  return passage(boundary).slot[end] = on(rank).add_slot(boundary);
}

void Transfers::post_receive(int rank, const Boundary& input) {
  const int channel = channel_of(input);
  const int stream = stream_of(channel, receiving);
  const int slot = make_slot(rank, receiving, input);
  RankWriter program = on(rank);
  program.emit({.opcode = Opcode::allocate, .slot = slot});
  program.order_after(0, stream);
  program.emit({.opcode = Opcode::recv,
                .stream = stream,
                .action = recv_action(input),
                .slot = slot,
                .peer = channels_[channel].rank[sending]});
  passage(input).received = program.record(stream);
}

void Transfers::send(int rank, const Boundary& output, int made) {
  const int channel = channel_of(output);
  const int stream = stream_of(channel, sending);
  const int slot = passage(output).slot[sending];
  RankWriter program = on(rank);
  program.wait(stream, made);
  program.emit({.opcode = Opcode::send,
                .stream = stream,
                .action = send_action(output),
                .slot = slot,
                .peer = channels_[channel].rank[receiving]});
  const int event = program.record(stream);
  channels_[channel].pending.push_back({slot, event, passage(output).taken_by});
}

void Transfers::settle_taken(int rank, const std::vector<int>& clock) {
  std::vector<PendingSend> taken;
  for (const int number : sends_[rank]) {
    Channel& channel = channels_[number];
    const int over = clock[channel.rank[receiving]];
    while (!channel.pending.empty() && channel.pending.front().taken_by < over) {
      taken.push_back(channel.pending.front());
      channel.pending.pop_front();
    }
  }
  settle(rank, std::move(taken));
}

void Transfers::settle_rest(int rank) {
  std::vector<PendingSend> left;
  for (const int number : sends_[rank]) {
    const auto& pending = channels_[number].pending;
    left.insert(left.end(), pending.begin(), pending.end());
  }
  settle(rank, std::move(left));
}

// The oldest first: what a later one tells often includes that an earlier one is done, and then its
// wait would be for nothing.
void Transfers::settle(int rank, std::vector<PendingSend> sends) {
  std::ranges::sort(sends, {}, &PendingSend::event);
  RankWriter program = on(rank);
  for (const PendingSend& send : sends) {
    program.wait(0, send.event);
    program.emit({.opcode = Opcode::release, .slot = send.slot});
  }
}

void Transfers::reduce_tied(int rank) {
  for (int tie = 0; tie < channels() - edges_; ++tie) {
    reduce_tie(rank, tie);
  }
}

void Transfers::reduce_tie(int rank, int tie) {
  const auto [first, second] = channels_[edges_ + tie].rank;
  if (rank != first && rank != second) {
    return;
  }
  RankWriter program = on(rank);
  if (first == second) {
    program.emit({.opcode = Opcode::reduce_tied, .slot = tie});
    return;
  }
  const int stream = stream_of(edges_ + tie, rank == first ? sending : receiving);
  program.order_after(0, stream);
  program.emit({.opcode = Opcode::reduce_tied,
                .stream = stream,
                .slot = tie,
                .peer = rank == first ? second : first});
  program.order_after(stream, 0);
}

// A rank's streams are numbered in the order of their first use.  A tied sum sends and receives.
int Transfers::stream_of(int number, End end) {
  Channel& channel = channels_[number];
  if (channel.stream[end] == 0) {
    channel.stream[end] = on(channel.rank[end])
                              .add_stream({.peer = channel.rank[1 - end],
                                           .channel = number,
                                           .sends = end == sending || number >= edges_});
  }
  return channel.stream[end];
}

}  // namespace lockflight::plan
