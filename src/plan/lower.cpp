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
#include "plan/lower_transfers.h"
#include "plan/lower_update.h"
#include "plan/rank_writer.h"
#include "plan/recompute_places.h"

namespace lockflight::plan {
namespace {

using schedule::Action;
using schedule::Schedule;

class Lowering {
 public:
  Lowering(const Schedule& schedule, const std::vector<TiedStages>& ties,
           const LowerOptions& options)
      : schedule_(schedule),
        options_(options),
        trains_(schedule::has_backward(schedule)),
        program_{.micro_batches = schedule.micro_batches,
                 .placement = schedule.placement,
                 .ties = ties,
                 .recomputes = recompute_places(schedule, options.recomputes),
                 .ranks = std::vector<RankProgram>(schedule.ranks())},
        transfers_(schedule, ties, program_.ranks),
        clocks_(schedule.ranks()),
        ranks_(schedule.ranks()) {
    program_.channels =
        transfers_.channels() + (updates_in_schedule() ? channels_of_update(schedule.ranks()) : 0);
    for (int rank = 0; rank < schedule.ranks(); ++rank) {
      read_order(rank);
      reserve(rank);
    }
    prologues_ = updates_in_schedule() ? prologues_of(schedule_, ranks_)
                                       : std::vector<std::size_t>(ranks_.size());
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
    check_all_taken(schedule_, ranks_);
    for (int rank = 0; rank < schedule_.ranks(); ++rank) {
      finish(rank);
    }
    return std::move(program_);
  }

 private:
  bool updates_in_schedule() const {
    return trains_ && options_.optimizer == OptimizerPlace::in_schedule;
  }
  std::optional<Boundary> input_of(const Action& action) const {
    return plan::input_of(action, schedule_.placement);
  }
  std::optional<Boundary> output_of(const Action& action) const {
    return plan::output_of(action, schedule_.placement);
  }
  RankWriter on(int rank) { return RankWriter(program_.ranks[rank]); }

  void read_order(int rank) {
    const RankState& state = ranks_[rank] = start_of(schedule_, rank);
    for (std::size_t i = 0; i < state.order.size(); ++i) {
      if (const auto input = input_of(state.order[i])) {
        transfers_.passage(*input).taken_by = static_cast<int>(i);
      }
    }
  }

  // Programs are long: their memory is counted, not found out by doubling.
  void reserve(int rank) {
    constexpr int kPair = 4;  // record, wait; record, wait
    const RankState& state = ranks_[rank];
    RankProgram& program = program_.ranks[rank];
    const Transfers::Room room = transfers_.room_for(rank, state.order);
    const auto pairs = static_cast<std::size_t>(std::ranges::count(state.begins_pair, true));
    const auto recomputes = static_cast<std::size_t>(std::ranges::count_if(
        state.order, [this](const Action& action) { return has_recompute(action); }));
    program.instructions.reserve(state.order.size() + recomputes + room.instructions +
                                 kPair * pairs + (trains_ ? kMostOfAnUpdate : 0));
    program.slots.reserve(room.slots);
    program.streams.push_back({});
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
    transfers_.settle_taken(rank, state.clock);
    post_receives(rank, end);
    recompute_ahead(rank, begin, end);
    for (std::size_t i = begin; i < end; ++i) {
      await_input(rank, state.order[i]);
    }
    const int second = end - begin == 2 ? second_stream(rank) : 0;
    if (second != 0) {
      on(rank).order_after(0, second);
    }
    compute(rank, begin, 0);
    if (second != 0) {
      compute(rank, begin + 1, second);
      on(rank).order_after(second, 0);
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
      if (input && transfers_.passage(*input).clock < 0) {
        return false;
      }
    }
    for (std::size_t i = begin; i < end; ++i) {
      if (const auto input = input_of(state.order[i])) {
        clocks_.join(state.clock, std::exchange(transfers_.passage(*input).clock, -1));
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
      const auto input = input_of(state.order[state.posted]);
      if (input && transfers_.crosses_ranks(*input)) {
        transfers_.post_receive(rank, *input);
      }
    }
  }

  // Of the actions from `begin` on, unless they are a pair.
  void recompute_ahead(int rank, std::size_t begin, std::size_t end) {
    const Action& action = ranks_[rank].order[begin];
    if (end - begin == 1 && has_recompute(action)) {
      on(rank).emit(
          {.action = {action.stage, schedule::ActionKind::recompute, action.micro_batch}});
    }
  }

  bool has_recompute(const Action& action) const {
    return gives_input_gradient(action.kind) && recomputes_before(program_, action.stage, 0);
  }

  void await_input(int rank, const Action& action) {
    const auto input = input_of(action);
    if (input && transfers_.crosses_ranks(*input)) {
      on(rank).wait(0, transfers_.passage(*input).received);
    }
  }

  // When an action is over, so are those in front of it; of a pair's second part only those in
  // front of the pair are known to be.
  void compute(int rank, std::size_t position, int stream) {
    RankState& state = ranks_[rank];
    const Action& action = state.order[position];
    const auto input = input_of(action);
    const auto output = output_of(action);
    on(rank).emit({.opcode = Opcode::compute,
                   .stream = stream,
                   .action = action,
                   .slot = input ? transfers_.passage(*input).slot[receiving] : -1,
                   .output = output ? transfers_.make_slot(rank, sending, *output) : -1});
    state.clock[rank] = static_cast<int>(position) + (stream == 0 ? 1 : -1);
    if (output) {
      hand_over(rank, *output, stream);
    }
  }

  // What a stream has made.
  void hand_over(int rank, const Boundary& output, int stream) {
    Passage& made = transfers_.passage(output);
    made.clock = clocks_.copy(ranks_[rank].clock);
    if (transfers_.crosses_ranks(output)) {
      const int ready = on(rank).record(stream);
      if (leaves_prologue(rank, output)) {
        ranks_[rank].held_back.push_back({.boundary = output, .made = ready});
      } else {
        transfers_.send(rank, output, ready);
      }
      wake(transfers_.taker(output), made.taken_by);
    } else {
      made.slot[receiving] = made.slot[sending];
    }
  }

  // Whether it is made in the rank's prologue, but taken behind that of its taker.
  bool leaves_prologue(int rank, const Boundary& output) const {
    const int taker = transfers_.taker(output);
    return ranks_[rank].next < prologues_[rank] &&
           static_cast<std::size_t>(transfers_.passage(output).taken_by) >= prologues_[taker];
  }

  void end_prologue(int rank) {
    program_.ranks[rank].prologue = program_.ranks[rank].instructions.size();
    for (const HeldBack& held : std::exchange(ranks_[rank].held_back, {})) {
      transfers_.send(rank, held.boundary, held.made);
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

  // The end of the step: tied gradients, what nothing has settled, and the update.
  void finish(int rank) {
    if (trains_) {
      transfers_.reduce_tied(rank);
    }
    transfers_.settle_rest(rank);
    if (updates_in_schedule()) {
      append_update_in_schedule(program_, rank, transfers_.channels());
    } else if (trains_) {
      on(rank).emit({.opcode = Opcode::gradient_norm});
      on(rank).emit({.opcode = Opcode::update});
    }
  }

  int second_stream(int rank) {
    int& stream = ranks_[rank].second_stream;
    if (stream == 0) {
      stream = on(rank).add_stream({});
    }
    return stream;
  }

  const Schedule& schedule_;
  const LowerOptions options_;
  const bool trains_;
  Program program_;
  Transfers transfers_;
  Clocks clocks_;
  std::vector<RankState> ranks_;
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
