#include "schedule/order.h"

#include <cstddef>
#include <limits>

namespace lockflight::schedule {
namespace {

// Numbers the micro-batches of each stage's F, I and W one after the other.
class Numbering {
 public:
  explicit Numbering(int stages) : next_(3 * static_cast<std::size_t>(stages)) {}

  // B counts as an I; its W goes along with it.
  int next(const Turn& turn) {
    const int number = count(turn.stage, turn.kind)++;
    if (turn.kind == ActionKind::backward) {
      ++count(turn.stage, ActionKind::weight_gradient);
    }
    return number;
  }

 private:
  int& count(int stage, ActionKind kind) {
    const std::size_t place = kind == ActionKind::forward           ? 0
                              : kind == ActionKind::weight_gradient ? 1
                                                                    : 2;
    return next_[3 * static_cast<std::size_t>(stage) + place];
  }

  std::vector<int> next_;
};

}  // namespace

std::optional<Order> order_of(const Schedule& schedule) {
  Order order(schedule.rows.size());
  Numbering numbering(schedule.stages());
  for (std::size_t rank = 0; rank < order.size(); ++rank) {
    for (const Cell& cell : schedule.rows[rank]) {
      if (cell.empty()) {
        continue;
      }
      const Action& action = cell.front();
      if (cell.size() > 1 || !is_compute(action.kind)) {
        return std::nullopt;
      }
      const Turn& turn = order[rank].emplace_back(Turn{action.stage, action.kind});
      if (numbering.next(turn) != action.micro_batch) {
        return std::nullopt;
      }
    }
  }
  return order;
}

Schedule schedule_of(const Order& order, const SearchProblem& problem) {
  Schedule schedule{.name = "auto",
                    .micro_batches = problem.micro_batches,
                    .placement = problem.placement,
                    .rows = {}};
  Numbering numbering(schedule.stages());
  for (const Row& row : order) {
    std::vector<Cell>& cells = schedule.rows.emplace_back();
    for (const Turn& turn : row) {
      cells.push_back({{turn.stage, turn.kind, numbering.next(turn)}});
    }
  }
  return schedule;
}

std::int64_t memory_limit(const SearchProblem& problem, int rank) {
  return problem.memory_limits.empty() ? std::numeric_limits<std::int64_t>::max()
                                       : problem.memory_limits[rank];
}

std::vector<SavedBytes> saved_bytes(const SearchProblem& problem) {
  return problem.saved.empty() ? std::vector<SavedBytes>(problem.times.size()) : problem.saved;
}

RowRules::RowRules(const SearchProblem& problem)
    : problem_(problem), saved_(saved_bytes(problem)), counts_(problem.times.size()) {}

bool RowRules::allow(int rank, const Row& row) {
  for (const int stage : problem_.placement.stages_of(rank)) {
    counts_[stage] = {};
  }
  const std::int64_t limit = memory_limit(problem_, rank);
  std::int64_t bytes = 0;
  for (const Turn& turn : row) {
    Counts& counts = counts_[turn.stage];
    const SavedBytes& saved = saved_[turn.stage];
    switch (turn.kind) {
      case ActionKind::forward:
        ++counts.forwards;
        bytes += saved.after_forward;
        break;
      case ActionKind::weight_gradient:
        bytes -= saved.after_input_gradient;
        if (++counts.weight_gradients > counts.input_gradients) {
          return false;
        }
        break;
      case ActionKind::backward:
        bytes -= saved.after_forward;
        if (counts.input_gradients != counts.weight_gradients++) {
          return false;
        }
        ++counts.input_gradients;
        break;
      default:
        ++counts.input_gradients;
        bytes += saved.after_input_gradient - saved.after_forward;
    }
    if (counts.input_gradients > counts.forwards || bytes > limit) {
      return false;
    }
  }
  return true;
}

}  // namespace lockflight::schedule
