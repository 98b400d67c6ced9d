#include "plan/recompute_places.h"

#include <algorithm>
#include <cstddef>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {

std::vector<bool> recompute_places(const schedule::Schedule& schedule,
                                   const std::vector<bool>& marks) {
  const auto stages = static_cast<std::size_t>(schedule.stages());
  if (!marks.empty() && marks.size() != stages) {
    throw InvalidArgument(
        fmt::format("lower: {} marks of stages that recompute, but schedule {} has {} stages; give "
                    "one for each, or none",
                    marks.size(), schedule.name, stages));
  }
  if (!schedule::has_backward(schedule)) {
    return {};
  }
  std::vector<bool> places = marks;
  for (std::size_t stage = 0; stage < places.size(); ++stage) {
    const int number = static_cast<int>(stage);
    places[stage] = places[stage] && stage + 1 < stages &&
                    schedule.placement.rank_of(number) != schedule.placement.rank_of(number + 1);
  }
  return std::ranges::find(places, true) == places.end() ? std::vector<bool>() : places;
}

}  // namespace lockflight::plan
