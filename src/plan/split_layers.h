// From what layers cost to how many of them every stage has.

#pragma once

#include <vector>

#include "lockflight/plan/plan.h"
#include "lockflight/plan/profile.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::plan {

/// For every stage the most micro-batches that it keeps at once: forwards whose backward (W where
/// it is split) is still to come, in the order of its rank.
std::vector<int> micro_batches_in_flight(const schedule::Schedule& schedule);

/// The split that the options give, or the best one for the profile: see partition::solve.  Where
/// nothing seems to fit the memory, the best one without a limit: a profile counts some tensors
/// twice, and the exact bytes decide.
/// Throws InvalidArgument if there are fewer layers than stages or the given split does not fit.
std::vector<int> split_layers(const Profile& profile, const schedule::Schedule& schedule,
                              const PlanOptions& options);

}  // namespace lockflight::plan
