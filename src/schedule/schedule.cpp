#include "lockflight/schedule/schedule.h"

#include <algorithm>
#include <set>
#include <utility>

namespace lockflight::schedule {
namespace {

template <typename Predicate>
bool any_action(const Schedule& schedule, Predicate predicate) {
  return std::ranges::any_of(schedule.rows, [&](const std::vector<Cell>& row) {
    return std::ranges::any_of(
        row, [&](const Cell& cell) { return std::ranges::any_of(cell, predicate); });
  });
}

bool is_backward(ActionKind kind) { return is_compute(kind) && kind != ActionKind::forward; }

bool gives_weight_gradient(ActionKind kind) {
  return kind == ActionKind::backward || kind == ActionKind::weight_gradient;
}

}  // namespace

bool is_overlapped(const Cell& cell) {
  std::vector<ActionKind> kinds;
  for (const Action& action : cell) {
    if (is_compute(action.kind)) {
      kinds.push_back(action.kind);
    }
  }
  return kinds == std::vector{ActionKind::forward, ActionKind::backward};
}

std::vector<Action> Schedule::actions(int rank) const {
  std::vector<Action> actions;
  for (const Cell& cell : rows[rank]) {
    actions.insert(actions.end(), cell.begin(), cell.end());
  }
  return actions;
}

bool is_lowered(const Schedule& schedule) {
  return any_action(schedule, [](const Action& action) { return !is_compute(action.kind); });
}

bool has_backward(const Schedule& schedule) {
  return any_action(schedule, [](const Action& action) { return is_backward(action.kind); });
}

std::vector<int> peak_activations(const Schedule& schedule) {
  std::vector<int> peaks;
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    const std::vector<Action> actions = schedule.actions(rank);
    std::set<std::pair<int, int>> trained;
    for (const Action& action : actions) {
      if (gives_weight_gradient(action.kind)) {
        trained.emplace(action.stage, action.micro_batch);
      }
    }
    int live = 0;
    int peak = 0;
    for (const Action& action : actions) {
      if (action.kind == ActionKind::forward &&
          trained.contains({action.stage, action.micro_batch})) {
        peak = std::max(peak, ++live);
      } else if (gives_weight_gradient(action.kind)) {
        --live;
      }
    }
    peaks.push_back(peak);
  }
  return peaks;
}

}  // namespace lockflight::schedule
