// What a plan's stages cost, as the search for an order asks for it.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/schedule/search.h"

namespace lockflight::plan {

/// With the stages, times and placement of a plan for these options; without memory limits.
schedule::SearchProblem search_problem(nn::Model& model, const Plan& plan,
                                       const PlanOptions& options);

/// The least limit of a rank with which there is an order.
std::int64_t least_kept(const schedule::SearchProblem& problem, int rank);

/// The most that every rank of a plan keeps at once, of what the problem counts.
std::vector<std::int64_t> kept_bytes(const Plan& plan, const schedule::SearchProblem& problem,
                                     const DeviceProfile& device);

}  // namespace lockflight::plan
