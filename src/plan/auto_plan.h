// PlanOptions::schedule "auto": the fastest plan that fits.

#pragma once

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// Of the plans with all generators' schedules that train one copy of the model, and with orders
/// that schedule::search finds for the stages' times and the memory limit, the one with the least
/// predicted step time among those that fit; see PlanOptions::schedule.  Throws as make_plan.
Plan auto_plan(nn::Model& model, int ranks, const PlanOptions& options);

}  // namespace lockflight::plan
