#include "lockflight/schedule/timetable.h"

#include <algorithm>
#include <cstddef>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "schedule/duration.h"

namespace lockflight::schedule {
namespace {

using enum ActionKind;

std::vector<Cell> compute_cells(const std::vector<Cell>& row) {
  std::vector<Cell> cells;
  for (const Cell& cell : row) {
    Cell computes;
    std::ranges::copy_if(cell, std::back_inserter(computes), is_compute, &Action::kind);
    if (!computes.empty()) {
      cells.push_back(std::move(computes));
    }
  }
  return cells;
}

void check_stages(const Schedule& schedule) {
  if (static_cast<int>(schedule.rows.size()) != schedule.ranks()) {
    throw PlanError(fmt::format("schedule {} has {} rows, but its placement {} ranks",
                                schedule.name, schedule.rows.size(), schedule.ranks()));
  }
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    for (const Action& action : schedule.actions(rank)) {
      if (action.stage < 0 || action.stage >= schedule.stages()) {
        throw PlanError(fmt::format("schedule {}, rank {}: {} is of no stage among 0 to {}",
                                    schedule.name, rank, to_string(action), schedule.stages() - 1));
      }
    }
  }
}

class Simulation {
 public:
  Simulation(const Schedule& schedule, std::span<const StageTimes> times)
      : schedule_(schedule), times_(times), clocks_(schedule.rows.size(), 0.0) {
    for (const std::vector<Cell>& row : schedule.rows) {
      cells_.push_back(compute_cells(row));
    }
    timetable_.rows.resize(cells_.size());
  }

  Timetable run() {
    bool progress = true;
    while (progress) {
      progress = false;
      for (std::size_t rank = 0; rank < cells_.size(); ++rank) {
        while (!finished(rank) && !missing_input(next_cell(rank))) {
          run_next(rank);
          progress = true;
        }
      }
    }
    refuse_if_stuck();
    return std::move(timetable_);
  }

 private:
  // What an action waits for: the end of a stage's forward or of its input gradient.
  struct Input {
    bool gradient;
    int stage;
    int micro_batch;

    auto operator<=>(const Input&) const = default;
  };

  std::vector<Input> inputs_of(const Action& action) const {
    const int stage = action.stage;
    if (action.kind == forward) {
      return schedule_.placement.begins_copy(stage)
                 ? std::vector<Input>{}
                 : std::vector<Input>{{false, stage - 1, action.micro_batch}};
    }
    if (action.kind == weight_gradient) {
      return {{true, stage, action.micro_batch}};
    }
    std::vector<Input> inputs = {{false, stage, action.micro_batch}};
    if (!schedule_.placement.ends_copy(stage)) {
      inputs.push_back({true, stage + 1, action.micro_batch});
    }
    return inputs;
  }

  std::optional<Input> missing_input(const Cell& cell) const {
    for (const Action& action : cell) {
      for (const Input& input : inputs_of(action)) {
        if (!ends_.contains(input)) {
          return input;
        }
      }
    }
    return std::nullopt;
  }

  void run_next(std::size_t rank) {
    const Cell& cell = next_cell(rank);
    double begin = clocks_[rank];
    double time = 0;
    for (const Action& action : cell) {
      for (const Input& input : inputs_of(action)) {
        begin = std::max(begin, ends_.at(input));
      }
      time += duration(action.kind, times_[action.stage]);
    }
    const double end = begin + time;
    for (const Action& action : cell) {
      if (action.kind != weight_gradient) {
        ends_[{action.kind != forward, action.stage, action.micro_batch}] = end;
      }
    }
    clocks_[rank] = end;
    timetable_.rows[rank].push_back({cell, begin, end});
  }

  void refuse_if_stuck() const {
    std::string where;
    for (std::size_t rank = 0; rank < cells_.size(); ++rank) {
      if (!finished(rank)) {
        const Cell& cell = next_cell(rank);
        const Input input = *missing_input(cell);
        where += fmt::format(
            "; rank {} stands at {}, which waits for the {} of stage {} for "
            "micro-batch {}",
            rank, to_string(cell.front()), input.gradient ? "input gradient" : "forward",
            input.stage, input.micro_batch);
      }
    }
    if (!where.empty()) {
      throw PlanError(fmt::format("schedule {} can never finish{}", schedule_.name, where));
    }
  }

  bool finished(std::size_t rank) const {
    return timetable_.rows[rank].size() == cells_[rank].size();
  }
  const Cell& next_cell(std::size_t rank) const {
    return cells_[rank][timetable_.rows[rank].size()];
  }

  const Schedule& schedule_;
  std::span<const StageTimes> times_;
  std::vector<std::vector<Cell>> cells_;
  std::vector<double> clocks_;
  std::map<Input, double> ends_;
  Timetable timetable_;
};

}  // namespace

double Timetable::makespan() const {
  double last = 0;
  for (const std::vector<TimedCell>& row : rows) {
    last = std::max(last, row.empty() ? 0 : row.back().end);
  }
  return last;
}

double Timetable::busy(int rank) const {
  double sum = 0;
  for (const TimedCell& cell : rows[rank]) {
    sum += cell.end - cell.begin;
  }
  return sum;
}

double Timetable::idle_share() const {
  const double all = makespan() * static_cast<double>(rows.size());
  double computing = 0;
  for (std::size_t rank = 0; rank < rows.size(); ++rank) {
    computing += busy(static_cast<int>(rank));
  }
  return all == 0 ? 0 : 1 - computing / all;
}

Timetable make_timetable(const Schedule& schedule, std::span<const StageTimes> times) {
  check_stages(schedule);
  if (static_cast<int>(times.size()) != schedule.stages()) {
    throw InvalidArgument(fmt::format("timetable: times of {} stages, but schedule {} has {}",
                                      times.size(), schedule.name, schedule.stages()));
  }
  return Simulation(schedule, times).run();
}

Timetable make_timetable(const Schedule& schedule, const StageTimes& times) {
  return make_timetable(schedule, std::vector<StageTimes>(schedule.stages(), times));
}

}  // namespace lockflight::schedule
