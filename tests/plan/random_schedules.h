// Schedules that no generator makes: any placement, any order that can be run.

#pragma once

#include <algorithm>
#include <random>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// Not random: 1F1B of two ranks, steady pairs overlapped.
inline constexpr const char* kPairs =
    "0F0,0F1,(0F2;0B0)OVERLAP_F_B,0B1,0B2\n"
    "1F0,(1F1;1B0)OVERLAP_F_B,(1F2;1B1)OVERLAP_F_B,1B2\n";

/// Starts actions whose inputs are made, rank by rank at random, until all have run; each stage
/// takes its micro-batches in ascending order.  With `splits`, backwards are I and W apart.
inline schedule::Schedule random_schedule(const schedule::Placement& placement, int micro_batches,
                                          bool splits, std::mt19937& random) {
  using enum schedule::ActionKind;
  const int stages = placement.stages();
  std::vector<int> forwards(stages, 0);  // micro-batches done, by stage
  std::vector<int> gradients(stages, 0);
  std::vector<int> weights(stages, 0);
  schedule::Schedule schedule{
      .name = "random", .micro_batches = micro_batches, .placement = placement, .rows = {}};
  schedule.rows.resize(placement.ranks());
  for (int left = stages * micro_batches * (splits ? 3 : 2); left > 0; --left) {
    std::vector<schedule::Action> ready;
    for (int s = 0; s < stages; ++s) {
      if (forwards[s] < (s == 0 ? micro_batches : forwards[s - 1])) {
        ready.push_back({s, forward, forwards[s]});
      }
      if (gradients[s] < (s + 1 == stages ? forwards[s] : gradients[s + 1])) {
        ready.push_back({s, splits ? input_gradient : backward, gradients[s]});
      }
      if (splits && weights[s] < gradients[s]) {
        ready.push_back({s, weight_gradient, weights[s]});
      }
    }
    const schedule::Action action =
        ready[std::uniform_int_distribution<std::size_t>(0, ready.size() - 1)(random)];
    (action.kind == forward           ? forwards
     : action.kind == weight_gradient ? weights
                                      : gradients)[action.stage]++;
    schedule.rows[placement.rank_of(action.stage)].push_back({action});
  }
  return schedule;
}

/// Joins neighbouring F and B of every row, in either order, to overlapped pairs, at random and
/// where they are of different micro-batches or stages.  The result may be one that can never be
/// run.
inline schedule::Schedule overlapped(schedule::Schedule schedule, std::mt19937& random) {
  using enum schedule::ActionKind;
  for (auto& row : schedule.rows) {
    for (std::size_t i = 0; i + 1 < row.size(); ++i) {
      schedule::Action first = row[i].front();
      schedule::Action second = row[i + 1].front();
      if (first.kind == backward) {
        std::swap(first, second);
      }
      const bool same = first.stage == second.stage && first.micro_batch == second.micro_batch;
      if (first.kind == forward && second.kind == backward && !same && random() % 2 == 0) {
        row[i] = {first, second};
        row.erase(row.begin() + static_cast<std::ptrdiff_t>(i) + 1);
      }
    }
  }
  return schedule;
}

/// Up to 4 ranks with up to 3 stages each, in any order.
inline schedule::Placement random_placement(std::mt19937& random) {
  const int ranks = std::uniform_int_distribution(1, 4)(random);
  std::vector<int> rank_of_stage;
  for (int rank = 0; rank < ranks; ++rank) {
    rank_of_stage.insert(rank_of_stage.end(), std::uniform_int_distribution(1, 3)(random), rank);
  }
  std::shuffle(rank_of_stage.begin(), rank_of_stage.end(), random);
  return schedule::Placement(rank_of_stage);
}

}  // namespace lockflight::plan
