#include "lockflight/plan/transcribe.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/csv.h"
#include "plan/boundaries.h"
#include "plan/copies.h"
#include "plan/edges.h"
#include "plan/lower_update.h"
#include "plan/recompute_places.h"

namespace lockflight::plan {
namespace {

using schedule::Action;
using schedule::ActionKind;
using schedule::Cell;
using schedule::Schedule;

// What a transfer carries.
Boundary boundary_of(const Action& action) {
  switch (action.kind) {
    case ActionKind::send_forward:
      return {Boundary::Kind::activation, action.stage, action.micro_batch};
    case ActionKind::recv_forward:
      return {Boundary::Kind::activation, action.stage - 1, action.micro_batch};
    case ActionKind::send_backward:
      return {Boundary::Kind::gradient, action.stage - 1, action.micro_batch};
    default:
      return {Boundary::Kind::gradient, action.stage, action.micro_batch};
  }
}

bool is_send(ActionKind kind) {
  return kind == ActionKind::send_forward || kind == ActionKind::send_backward;
}

class RankTranscriber {
 public:
  RankTranscriber(const Schedule& schedule, std::string_view text, int rank, Program& program,
                  std::vector<int>& cells)
      : schedule_(schedule),
        text_(text),
        rank_(rank),
        whole_(program),
        program_(program.ranks[rank]),
        cells_(cells) {
    program_.streams.push_back({});
  }

  void run(const std::vector<TiedStages>& ties, bool trains) {
    for (const Cell& cell : schedule_.rows[rank_]) {
      if (schedule::is_overlapped(cell)) {
        add_overlapped(cell);
      } else {
        for (const Action& action : cell) {
          add(action);
        }
      }
      ++cell_;
    }
    cell_ = -1;
    for (std::size_t tie = 0; tie < ties.size() && trains; ++tie) {
      add_tie(static_cast<int>(tie), ties[tie]);
    }
    for (const auto& [slot, event] : sent_) {
      emit({.opcode = Opcode::wait, .event = event});
      emit({.opcode = Opcode::release, .slot = slot});
    }
    if (trains) {
      emit({.opcode = Opcode::gradient_norm});
      emit({.opcode = Opcode::update});
    }
  }

 private:
  void add(const Action& action) {
    if (schedule::is_compute(action.kind)) {
      add_compute(action);
    } else if (action.kind == ActionKind::recompute) {
      refuse(action, "it is for programs, which recompute where the plan says");
    } else if (schedule::has_micro_batch(action.kind)) {
      add_transfer(action);
    }
  }

  // The backward on a stream of its own, which is ahead of nothing and behind nothing of the pair.
  void add_overlapped(const Cell& cell) {
    for (const Action& action : cell) {
      if (action.kind == ActionKind::forward) {
        for (const Action& part : cell) {
          await_input(part, 0);
        }
        const int second = second_stream();
        emit({.opcode = Opcode::wait, .stream = second, .event = record(0)});
        compute_on_ = 0;
        add_compute(action);
        compute_on_ = second;
      } else {
        add(action);
      }
    }
    emit({.opcode = Opcode::wait, .event = record(compute_on_)});
    compute_on_ = 0;
    made_on_.clear();
  }

  int second_stream() {
    if (second_stream_ == 0) {
      second_stream_ = static_cast<int>(program_.streams.size());
      program_.streams.push_back({});
    }
    return second_stream_;
  }

  void add_compute(const Action& action) {
    const auto input = input_of(action, schedule_.placement);
    const auto output = output_of(action, schedule_.placement);
    if (gives_input_gradient(action.kind) && recomputes_before(whole_, action.stage, compute_on_)) {
      emit({.action = {action.stage, ActionKind::recompute, action.micro_batch}});
    }
    await_input(action, compute_on_);
    const int made = output ? slot_of(*output) : -1;
    emit({.opcode = Opcode::compute,
          .stream = compute_on_,
          .action = action,
          .slot = input ? slot_of(*input) : -1,
          .output = made});
    if (compute_on_ != 0 && made >= 0) {
      made_on_[made] = compute_on_;
    }
  }

  // What has been posted of an action's input.
  void await_input(const Action& action, int stream) {
    const auto input = input_of(action, schedule_.placement);
    const auto received = input ? received_.find(slot_of(*input)) : received_.end();
    if (received != received_.end()) {
      emit({.opcode = Opcode::wait, .stream = stream, .event = received->second});
      received_.erase(received);
    }
  }

  void add_transfer(const Action& action) {
    const Boundary boundary = boundary_of(action);
    const bool sends = is_send(action.kind);
    const int peer = peer_of(action, boundary, sends);
    const int stream = stream_of(channel_of(boundary), peer, sends);
    const int slot = slot_of(boundary);
    if (!sends) {
      emit({.opcode = Opcode::allocate, .slot = slot});
    }
    const auto maker = made_on_.find(slot);
    const int after = maker == made_on_.end() ? 0 : maker->second;
    emit({.opcode = Opcode::wait, .stream = stream, .event = record(after)});
    emit({.opcode = sends ? Opcode::send : Opcode::recv,
          .stream = stream,
          .action = action,
          .slot = slot,
          .peer = peer});
    const int event = record(stream);
    if (sends) {
      sent_.emplace_back(slot, event);
    } else {
      received_[slot] = event;
    }
  }

  void add_tie(int tie, const TiedStages& stages) {
    const int first = schedule_.placement.rank_of(stages.first);
    const int second = schedule_.placement.rank_of(stages.second);
    if (rank_ != first && rank_ != second) {
      return;
    }
    if (first == second) {
      emit({.opcode = Opcode::reduce_tied, .slot = tie});
      return;
    }
    const int peer = first + second - rank_;
    const int stream = stream_of(2 * (schedule_.stages() - 1) + tie, peer, true);
    emit({.opcode = Opcode::wait, .stream = stream, .event = record(0)});
    emit({.opcode = Opcode::reduce_tied, .stream = stream, .slot = tie, .peer = peer});
    emit({.opcode = Opcode::wait, .event = record(stream)});
  }

  int peer_of(const Action& action, const Boundary& boundary, bool sends) const {
    if (!has_boundary(schedule_.placement, boundary.stage)) {
      refuse(action, fmt::format("there is no stage at its other end; stages are 0 to {}",
                                 schedule_.stages() - 1));
    }
    const int other = sends ? taker_stage(boundary) : maker_stage(boundary);
    if (schedule_.placement.rank_of(other) == rank_) {
      refuse(action,
             fmt::format("stage {} lies in the same row; what stays on a rank is not sent", other));
    }
    return schedule_.placement.rank_of(other);
  }

  [[noreturn]] void refuse(const Action& action, std::string_view why) const {
    const auto row = static_cast<std::size_t>(rank_) + 1;
    const auto cell = static_cast<std::size_t>(cell_) + 1;
    throw DataError(fmt::format(
        "schedule file, {}: {}: {}",
        schedule::cell_place(text_.empty() ? schedule::write_csv(schedule_) : text_, row, cell),
        schedule::to_string(action), why));
  }

  void emit(const Instruction& instruction) {
    program_.instructions.push_back(instruction);
    cells_.push_back(cell_);
  }

  int record(int stream) {
    emit({.opcode = Opcode::record, .stream = stream, .event = program_.events});
    return program_.events++;
  }

  int slot_of(const Boundary& boundary) {
    const auto [place, is_new] =
        slots_.try_emplace(boundary, static_cast<int>(program_.slots.size()));
    if (is_new) {
      program_.slots.push_back(boundary);
    }
    return place->second;
  }

  int stream_of(int channel, int peer, bool sends) {
    const auto [place, is_new] =
        streams_.try_emplace(channel, static_cast<int>(program_.streams.size()));
    if (is_new) {
      program_.streams.push_back({.peer = peer, .channel = channel, .sends = sends});
    }
    return place->second;
  }

  const Schedule& schedule_;
  const std::string_view text_;
  const int rank_;
  const Program& whole_;
  RankProgram& program_;
  std::vector<int>& cells_;
  int cell_ = 0;
  std::map<Boundary, int> slots_;
  std::map<int, int> streams_;  // by channel
  int second_stream_ = 0;       // that computes; 0: not used yet
  int compute_on_ = 0;
  std::map<int, int> made_on_;             // slot → stream, of the overlapped pair at hand
  std::map<int, int> received_;            // slot → the event after its receive
  std::vector<std::pair<int, int>> sent_;  // slot, the event after its send
};

void add_cells(const std::array<Cell, 3>& receives_computes_sends, TransferCells cells,
               std::vector<Cell>& row) {
  const auto& [receives, computes, sends] = receives_computes_sends;
  if (cells == TransferCells::shared) {
    Cell& shared = row.emplace_back();
    for (const Cell& part : receives_computes_sends) {
      shared.insert(shared.end(), part.begin(), part.end());
    }
    return;
  }
  for (const Action& action : receives) {
    row.push_back({action});
  }
  if (!computes.empty()) {
    row.push_back(computes);
  }
  for (const Action& action : sends) {
    row.push_back({action});
  }
}

}  // namespace

Transcription transcribe(const Schedule& schedule, const std::vector<TiedStages>& model_ties,
                         std::string_view text, const std::vector<bool>& recomputes) {
  const std::vector<TiedStages> ties = ties_of_copies(schedule.placement, model_ties);
  Transcription result;
  result.program.micro_batches = schedule.micro_batches;
  result.program.placement = schedule.placement;
  result.program.ties = ties;
  result.program.recomputes = recompute_places(schedule, recomputes);
  result.program.channels = 2 * std::max(schedule.stages() - 1, 0) + static_cast<int>(ties.size());
  result.program.ranks.resize(schedule.ranks());
  result.cells.resize(schedule.ranks());
  const bool trains = schedule::has_backward(schedule);
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    RankTranscriber(schedule, text, rank, result.program, result.cells[rank]).run(ties, trains);
  }
  return result;
}

Program program_of(const Schedule& schedule, const std::vector<TiedStages>& ties,
                   const LowerOptions& options) {
  if (!schedule::is_lowered(schedule)) {
    return lower(schedule, ties, options);
  }
  Program program = transcribe(schedule, ties, {}, options.recomputes).program;
  if (options.optimizer == OptimizerPlace::in_schedule && schedule::has_backward(schedule)) {
    const int first_channel = program.channels;
    program.channels += channels_of_update(schedule.ranks());
    for (int rank = 0; rank < schedule.ranks(); ++rank) {
      auto& instructions = program.ranks[rank].instructions;
      instructions.resize(update_phase(program.ranks[rank]));
      append_update_in_schedule(program, rank, first_channel);
    }
  }
  return program;
}

Schedule with_transfers(const Schedule& schedule, TransferCells cells) {
  Schedule result = schedule;
  const auto crosses = [&](const std::optional<Boundary>& boundary) {
    return boundary && schedule.placement.rank_of(maker_stage(*boundary)) !=
                           schedule.placement.rank_of(taker_stage(*boundary));
  };
  for (std::vector<Cell>& row : result.rows) {
    std::vector<Cell> with;
    for (const Cell& cell : row) {
      Cell receives;
      Cell sends;
      for (const Action& action : cell) {
        const auto input = input_of(action, schedule.placement);
        const auto output = output_of(action, schedule.placement);
        if (crosses(input)) {
          receives.push_back(recv_action(*input));
        }
        if (crosses(output)) {
          sends.push_back(send_action(*output));
        }
      }
      add_cells({std::move(receives), cell, std::move(sends)}, cells, with);
    }
    row = std::move(with);
  }
  return result;
}

Program single_transfer_stream(Program program) {
  program.channels = 1;
  for (RankProgram& rank : program.ranks) {
    std::vector<StreamUse> streams = {{}};
    std::vector<int> becomes;
    for (const StreamUse& use : rank.streams) {
      becomes.push_back(becomes.empty() ? 0 : computes(use) ? 2 : 1);
      streams.resize(std::max(streams.size(), static_cast<std::size_t>(becomes.back()) + 1));
    }
    if (streams.size() > 1) {
      streams[1].channel = 0;
    }
    rank.streams = std::move(streams);
    for (Instruction& instruction : rank.instructions) {
      instruction.stream = becomes[instruction.stream];
    }
  }
  return program;
}

}  // namespace lockflight::plan
