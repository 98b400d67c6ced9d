// Helpers of the schedule tests: schedules written as lines of actions, as the papers print them.

#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// "0F0 0F1 0B0" and so on: the actions of a rank.
inline std::string line(const Schedule& schedule, int rank) {
  std::string text;
  for (const Action& action : schedule.actions(rank)) {
    text += (text.empty() ? "" : " ") + to_string(action);
  }
  return text;
}

/// The inverse: one line a rank.
inline Schedule from_lines(Placement placement, int micro_batches,
                           const std::vector<std::string>& lines) {
  Schedule schedule{.name = "test",
                    .micro_batches = micro_batches,
                    .placement = std::move(placement),
                    .rows = {}};
  for (const std::string& text : lines) {
    std::vector<Cell>& row = schedule.rows.emplace_back();
    std::istringstream words(text);
    for (std::string word; words >> word;) {
      row.push_back({parse_action(word)});
    }
  }
  return schedule;
}

}  // namespace lockflight::schedule
