#include "plan/recompute_places.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "plan/boundaries.h"

namespace lockflight::plan {
namespace {

bool waits_for_another_rank(const schedule::Placement& placement, int stage) {
  return !placement.ends_copy(stage) && placement.rank_of(stage) != placement.rank_of(stage + 1);
}

// By stage: whether it has a backward that is in no overlapped pair.
std::vector<bool> has_lone_backward(const schedule::Schedule& schedule) {
  std::vector<bool> has(static_cast<std::size_t>(schedule.stages()));
  for (const std::vector<schedule::Cell>& row : schedule.rows) {
    for (const schedule::Cell& cell : row) {
      for (const schedule::Action& action : cell) {
        if (gives_input_gradient(action.kind) && !schedule::is_overlapped(cell)) {
          has[action.stage] = true;
        }
      }
    }
  }
  return has;
}

}  // namespace

std::vector<bool> recompute_places(const schedule::Schedule& schedule,
                                   const std::vector<bool>& marks) {
  const auto stages = static_cast<std::size_t>(schedule.stages());
  if (!marks.empty() && marks.size() != stages) {
    throw InvalidArgument(
        fmt::format("lower: {} marks of stages that recompute, but schedule {} has {} stages; give "
                    "one for each, or none",
                    marks.size(), schedule.name, stages));
  }
  if (std::ranges::find(marks, true) == marks.end()) {
    return {};
  }
  std::vector<bool> places = has_lone_backward(schedule);
  for (std::size_t stage = 0; stage < stages; ++stage) {
    places[stage] = places[stage] && marks[stage] &&
                    waits_for_another_rank(schedule.placement, static_cast<int>(stage));
  }
  return std::ranges::find(places, true) == places.end() ? std::vector<bool>() : places;
}

}  // namespace lockflight::plan
