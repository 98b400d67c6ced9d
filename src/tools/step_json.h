// A simulated step as JSON.

#pragma once

#include <nlohmann/json.hpp>

#include "lockflight/plan/simulate.h"
#include "lockflight/schedule/schedule.h"

namespace lockflight::tools {

/// The schedule's name and size, the step's makespan, its idle shares in both definitions and what
/// each rank keeps at most, in micro-batches.
nlohmann::ordered_json step_as_json(const schedule::Schedule& schedule,
                                    const plan::SimulatedStep& step);

}  // namespace lockflight::tools
