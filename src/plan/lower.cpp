#include "lockflight/plan/lower.h"

#include <algorithm>
#include <deque>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

using schedule::Action;
using schedule::ActionKind;
using schedule::Schedule;

bool computes_gradient(ActionKind kind) {
  return kind == ActionKind::backward || kind == ActionKind::input_gradient;
}

// What an action needs from another stage.
std::optional<Boundary> input_of(const Action& action, int stages) {
  if (action.kind == ActionKind::forward && action.stage > 0) {
    return Boundary{Boundary::Kind::activation, action.stage - 1, action.micro_batch};
  }
  if (computes_gradient(action.kind) && action.stage + 1 < stages) {
    return Boundary{Boundary::Kind::gradient, action.stage, action.micro_batch};
  }
  return std::nullopt;
}

// What an action makes for another stage.
std::optional<Boundary> output_of(const Action& action, int stages) {
  if (action.kind == ActionKind::forward && action.stage + 1 < stages) {
    return Boundary{Boundary::Kind::activation, action.stage, action.micro_batch};
  }
  if (computes_gradient(action.kind) && action.stage > 0) {
    return Boundary{Boundary::Kind::gradient, action.stage - 1, action.micro_batch};
  }
  return std::nullopt;
}

int maker_stage(const Boundary& b) {
  return b.kind == Boundary::Kind::activation ? b.stage : b.stage + 1;
}
int taker_stage(const Boundary& b) {
  return b.kind == Boundary::Kind::activation ? b.stage + 1 : b.stage;
}
int channel_of(const Boundary& b) {
  return 2 * b.stage + (b.kind == Boundary::Kind::activation ? 0 : 1);
}

// For every rank, how many of its actions are known to be over.
using Clock = std::vector<int>;

// A send whose end nobody has waited for yet.
struct PendingSend {
  int slot;
  int event;
  int taker_rank;
  int taken_by;  // position of the action that takes the bytes in the taker's order
};

class Lowering {
 public:
  Lowering(const Schedule& schedule, const std::vector<TiedStages>& ties)
      : schedule_(schedule),
        ties_(ties),
        ranks_(schedule.ranks()),
        clocks_(ranks_, Clock(ranks_, 0)) {
    program_.micro_batches = schedule.micro_batches;
    program_.placement = schedule.placement;
    program_.ties = ties;
    program_.channels = 2 * (schedule.stages() - 1) + static_cast<int>(ties.size());
    program_.ranks.resize(ranks_);
    for (int rank = 0; rank < ranks_; ++rank) {
      order_.push_back(schedule.actions(rank));
      program_.ranks[rank].streams.push_back({});
      for (std::size_t i = 0; i < order_[rank].size(); ++i) {
        if (const auto input = input_of(order_[rank][i], schedule.stages())) {
          taken_at_[*input] = static_cast<int>(i);
        }
      }
    }
  }

  // Takes any action whose inputs are made, rank by rank, until all are taken or none can be.
  Program run() {
    std::vector<std::size_t> next(ranks_, 0);
    for (bool progress = true; progress;) {
      progress = false;
      for (int rank = 0; rank < ranks_; ++rank) {
        while (next[rank] < order_[rank].size() && take(rank, next[rank])) {
          ++next[rank];
          progress = true;
        }
      }
    }
    check_all_taken(next);
    for (int rank = 0; rank < ranks_; ++rank) {
      finish(rank);
    }
    check_edges();
    return std::move(program_);
  }

 private:
  bool is_transfer(const Boundary& b) const {
    return schedule_.placement.rank_of(maker_stage(b)) !=
           schedule_.placement.rank_of(taker_stage(b));
  }

  // Emits the action at `position` of a rank with what belongs to it; false if its input is not
  // made yet.
  bool take(int rank, std::size_t position) {
    const Action& action = order_[rank][position];
    const auto input = input_of(action, schedule_.stages());
    Clock& clock = clocks_[rank];
    if (input) {
      const auto made = made_.find(*input);
      if (made == made_.end()) {
        return false;
      }
      std::ranges::transform(clock, made->second, clock.begin(),
                             [](int a, int b) { return std::max(a, b); });
      made_.erase(made);
    }
    settle_sends(rank);
    if (position == 0) {
      post_receive(rank, 0);
    }
    post_receive(rank, position + 1);
    if (input && is_transfer(*input)) {
      emit(rank, {.opcode = Opcode::wait, .event = received_.at(*input)});
    }
    const auto output = output_of(action, schedule_.stages());
    emit(rank, {.opcode = Opcode::compute,
                .action = action,
                .slot = input ? slot_of(rank, *input) : -1,
                .output = output ? slot_of(rank, *output) : -1});
    clock[rank] = static_cast<int>(position) + 1;
    if (output) {
      made_.emplace(*output, clock);
      if (is_transfer(*output)) {
        emit_send(rank, *output);
      }
    }
    return true;
  }

  // Waits for sends whose bytes the taker must have by now, judging by the clock, and frees their
  // memory.
  void settle_sends(int rank) {
    std::erase_if(pending_[rank], [&](const PendingSend& send) {
      const bool taken = clocks_[rank][send.taker_rank] > send.taken_by;
      if (taken) {
        settle(rank, send);
      }
      return taken;
    });
  }

  void settle(int rank, const PendingSend& send) {
    emit(rank, {.opcode = Opcode::wait, .event = send.event});
    emit(rank, {.opcode = Opcode::release, .slot = send.slot});
  }

  void post_receive(int rank, std::size_t position) {
    if (position >= order_[rank].size()) {
      return;
    }
    const auto input = input_of(order_[rank][position], schedule_.stages());
    if (!input || !is_transfer(*input)) {
      return;
    }
    const int peer = schedule_.placement.rank_of(maker_stage(*input));
    const int stream =
        stream_of(rank, {.peer = peer, .channel = channel_of(*input), .sends = false});
    const int slot = slot_of(rank, *input);
    emit(rank, {.opcode = Opcode::allocate, .slot = slot});
    order_after(rank, 0, stream);
    emit(rank, {.opcode = Opcode::recv,
                .stream = stream,
                .action = recv_action(*input),
                .slot = slot,
                .peer = peer});
    received_[*input] = record(rank, stream);
  }

  void emit_send(int rank, const Boundary& output) {
    const int peer = schedule_.placement.rank_of(taker_stage(output));
    const int stream =
        stream_of(rank, {.peer = peer, .channel = channel_of(output), .sends = true});
    const int slot = slot_of(rank, output);
    order_after(rank, 0, stream);
    emit(rank, {.opcode = Opcode::send,
                .stream = stream,
                .action = send_action(output),
                .slot = slot,
                .peer = peer});
    pending_[rank].push_back({slot, record(rank, stream), peer, taken_at_.at(output)});
  }

  // The end of the step: tied gradients, what nothing has settled, and the update.
  void finish(int rank) {
    const bool trains = schedule::has_backward(schedule_);
    for (std::size_t tie = 0; tie < ties_.size() && trains; ++tie) {
      emit_tie(rank, static_cast<int>(tie));
    }
    for (const PendingSend& send : pending_[rank]) {
      settle(rank, send);
    }
    if (trains) {
      emit(rank, {.opcode = Opcode::gradient_norm});
      emit(rank, {.opcode = Opcode::update});
    }
  }

  void emit_tie(int rank, int tie) {
    const int first = schedule_.placement.rank_of(ties_[tie].first);
    const int second = schedule_.placement.rank_of(ties_[tie].second);
    if (rank != first && rank != second) {
      return;
    }
    if (first == second) {
      emit(rank, {.opcode = Opcode::reduce_tied, .slot = tie});
      return;
    }
    const int peer = rank == first ? second : first;
    const int channel = 2 * (schedule_.stages() - 1) + tie;
    const int stream = stream_of(rank, {.peer = peer, .channel = channel, .sends = true});
    order_after(rank, 0, stream);
    emit(rank, {.opcode = Opcode::reduce_tied, .stream = stream, .slot = tie, .peer = peer});
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

  int slot_of(int rank, const Boundary& boundary) {
    auto& slots = program_.ranks[rank].slots;
    const auto [place, is_new] =
        slot_numbers_.try_emplace({rank, boundary}, static_cast<int>(slots.size()));
    if (is_new) {
      slots.push_back(boundary);
    }
    return place->second;
  }

  int stream_of(int rank, const StreamUse& use) {
    auto& streams = program_.ranks[rank].streams;
    const auto [place, is_new] =
        stream_numbers_.try_emplace({rank, use.channel}, static_cast<int>(streams.size()));
    if (is_new) {
      streams.push_back(use);
    }
    return place->second;
  }

  void check_all_taken(const std::vector<std::size_t>& next) const {
    std::vector<std::string> waiting;
    for (int rank = 0; rank < ranks_; ++rank) {
      if (next[rank] < order_[rank].size()) {
        const Action& action = order_[rank][next[rank]];
        waiting.push_back(fmt::format("rank {} stands at {}", rank, schedule::to_string(action)));
      }
    }
    if (!waiting.empty()) {
      throw PlanError(
          fmt::format("schedule {}: its order makes ranks wait for each other in a circle: {}",
                      schedule_.name, fmt::join(waiting, ", ")));
    }
  }

  // Transfers of an edge match in order, so both ends must have the same order.
  void check_edges() const {
    using Order = std::vector<int>;
    std::map<int, std::pair<Order, Order>> edges;  // channel → micro-batches sent, received
    for (const RankProgram& rank : program_.ranks) {
      for (const Instruction& instruction : rank.instructions) {
        const int channel = rank.streams[instruction.stream].channel;
        if (instruction.opcode == Opcode::send) {
          edges[channel].first.push_back(instruction.action.micro_batch);
        } else if (instruction.opcode == Opcode::recv) {
          edges[channel].second.push_back(instruction.action.micro_batch);
        }
      }
    }
    for (const auto& [channel, orders] : edges) {
      if (orders.first != orders.second) {
        const bool forward = channel % 2 == 0;
        throw PlanError(
            fmt::format("schedule {}: stage {} sends its {} in the order of micro-batches [{}], "
                        "stage {} takes them in the order "
                        "[{}]; both must be the same",
                        schedule_.name, channel / 2 + (forward ? 0 : 1),
                        forward ? "outputs" : "gradients", fmt::join(orders.first, ", "),
                        channel / 2 + (forward ? 1 : 0), fmt::join(orders.second, ", ")));
      }
    }
  }

  const Schedule& schedule_;
  const std::vector<TiedStages>& ties_;
  const int ranks_;
  Program program_;
  std::vector<std::vector<Action>> order_;
  std::map<Boundary, int> taken_at_;  // position of the action that takes it in its rank's order
  std::map<Boundary, Clock> made_;    // made and not yet taken, with what was over by then
  std::vector<Clock> clocks_;
  std::map<int, std::vector<PendingSend>> pending_;  // by rank
  std::map<Boundary, int> received_;                 // the event after its receive
  std::map<std::pair<int, Boundary>, int> slot_numbers_;
  std::map<std::pair<int, int>, int> stream_numbers_;
};

}  // namespace

Program lower(const Schedule& schedule, const std::vector<TiedStages>& ties) {
  auto findings = schedule::validate(schedule);
  if (schedule::is_lowered(schedule)) {
    findings.emplace_back(
        "it holds transfers already; only schedules of F, I, W and B can be lowered");
  }
  if (!findings.empty()) {
    throw PlanError(fmt::format("schedule {}: {}", schedule.name, fmt::join(findings, "; ")));
  }
  return Lowering(schedule, ties).run();
}

}  // namespace lockflight::plan
