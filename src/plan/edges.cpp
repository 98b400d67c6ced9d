#include "plan/edges.h"

#include <array>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {

int channel_of(const Boundary& b) {
  return 2 * b.stage + (b.kind == Boundary::Kind::activation ? 0 : 1);
}

void check_edges(const schedule::Schedule& schedule) {
  const int stages = schedule.stages();
  // By channel: the micro-batches in the order in which they are made, and taken.
  std::vector<std::array<std::vector<int>, 2>> orders(2 * (stages - 1));
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    for (const schedule::Action& action : schedule.actions(rank)) {
      if (const auto output = output_of(action, schedule.placement)) {
        orders[channel_of(*output)][0].push_back(action.micro_batch);
      }
      if (const auto input = input_of(action, schedule.placement)) {
        orders[channel_of(*input)][1].push_back(action.micro_batch);
      }
    }
  }
  for (int stage = 0; stage + 1 < stages; ++stage) {
    if (!has_boundary(schedule.placement, stage) ||
        schedule.placement.rank_of(stage) == schedule.placement.rank_of(stage + 1)) {
      continue;
    }
    for (const auto kind : {Boundary::Kind::activation, Boundary::Kind::gradient}) {
      const Boundary boundary{kind, stage, 0};
      const auto& [made, taken] = orders[channel_of(boundary)];
      if (made != taken) {
        throw PlanError(
            fmt::format("schedule {}: stage {} sends its {} in the order of micro-batches [{}], "
                        "stage {} takes them in the order [{}]; both must be the same",
                        schedule.name, maker_stage(boundary),
                        kind == Boundary::Kind::activation ? "outputs" : "gradients",
                        fmt::join(made, ", "), taker_stage(boundary), fmt::join(taken, ", ")));
      }
    }
  }
}

}  // namespace lockflight::plan
