// From what layers cost to how many of them every stage has, and which of them run twice.

#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "lockflight/plan/plan.h"
#include "lockflight/plan/profile.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// For every stage the most micro-batches that it keeps at once: forwards whose backward (W where
/// it is split) is still to come, in the order of its rank.
std::vector<int> micro_batches_in_flight(const schedule::Schedule& schedule);

/// What is to be split.
struct SplitProblem {
  const Profile& profile;
  /// Of every layer its memory if it is recomputed, where that is of use.
  const std::vector<std::optional<LayerMemory>>& recomputed;
  const schedule::Schedule& schedule;
  const PlanOptions& options;
};

struct Split {
  std::vector<int> layers_of_stage;
  std::vector<bool> recomputed;  ///< of every layer
  /// Of every rank what the profile says: some tensors count twice, those between stages not at
  /// all.
  std::vector<std::int64_t> bytes;

  friend bool operator==(const Split&, const Split&) = default;
};

/// The split that the options give, or the best one for the profile: see partition::solve.  Where
/// nothing seems to fit the memory, the best one without a limit, for the exact bytes decide.
///   when     never: no layer is recomputed; always: those that the options list, or if they list
///            none, all that can be; when_needed: those that memory forces, or where nothing seems
///            to fit, all
///   memory   of every rank
/// Throws InvalidArgument if there are fewer layers than stages, the given split does not fit, pins
/// and groups leave no split, or a listed layer is none that can be recomputed.
Split split_layers(const SplitProblem& problem, Recomputation when,
                   const std::vector<std::int64_t>& memory);

}  // namespace lockflight::plan
