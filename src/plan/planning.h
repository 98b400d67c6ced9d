// What make_plan does for one schedule, in parts.

#pragma once

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// The plan that the options ask for, also if it is beyond their memory limit.  Throws as make_plan
/// does otherwise.
Plan plan_in_any_memory(nn::Model& model, int ranks, const PlanOptions& options);

/// The same without what takes most of the time, its proof and its memory. So nothing is known to
/// be needed: with Recomputation::when_needed no layer is recomputed.
Plan draft_plan(nn::Model& model, int ranks, const PlanOptions& options);

/// Whether every rank's memory is within the limit.
bool fits(const Plan& plan);

}  // namespace lockflight::plan
