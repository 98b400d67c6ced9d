#include "plan/lower_state.h"

#include <string>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"
#include "plan/prologue.h"

namespace lockflight::plan {

RankState start_of(const schedule::Schedule& schedule, int rank) {
  RankState state;
  for (const schedule::Cell& cell : schedule.rows[rank]) {
    state.order.insert(state.order.end(), cell.begin(), cell.end());
    state.begins_pair.resize(state.order.size(), false);
    if (schedule::is_overlapped(cell)) {
      state.begins_pair[state.order.size() - 2] = true;
    }
  }
  state.clock.assign(schedule.ranks(), 0);
  return state;
}

std::vector<std::size_t> prologues_of(const schedule::Schedule& schedule,
                                      const std::vector<RankState>& ranks) {
  std::vector<std::vector<schedule::Action>> orders;
  for (const RankState& state : ranks) {
    std::vector<schedule::Action>& order = orders.emplace_back(state.order);
    for (std::size_t i = 0; i < order.size(); ++i) {
      if (state.begins_pair[i] && order[i].kind == schedule::ActionKind::forward) {
        std::swap(order[i], order[i + 1]);  // no pair is cut in two
      }
    }
  }
  return prologue_actions(schedule, orders);
}

void check_all_taken(const schedule::Schedule& schedule, const std::vector<RankState>& ranks) {
  std::vector<std::string> waiting;
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const RankState& state = ranks[rank];
    if (state.next < state.order.size()) {
      waiting.push_back(
          fmt::format("rank {} stands at {}", rank, schedule::to_string(state.order[state.next])));
    }
  }
  if (!waiting.empty()) {
    throw PlanError(
        fmt::format("schedule {}: its order makes ranks wait for each other in a circle: {}",
                    schedule.name, fmt::join(waiting, ", ")));
  }
}

}  // namespace lockflight::plan
