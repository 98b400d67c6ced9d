// PlanOptions::schedule "auto": the fastest plan that fits.

#pragma once

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// Of the plans with all generators' schedules that train, and with orders that schedule::search
/// finds for the stages' times and the memory limit, the one with the least predicted step time
/// among those that fit. Ranks have one stage, two, or options.stages_per_rank of them, placed in a
/// loop or, where they are two, in V; with a split or pins only as many as these are made for.
/// Throws PlanError, with what is needed least, if no plan fits; else as make_plan.
Plan auto_plan(nn::Model& model, int ranks, const PlanOptions& options);

}  // namespace lockflight::plan
