// Schedules whose step is simulated.

#pragma once

#include <vector>

#include "lockflight/plan/lower.h"
#include "lockflight/plan/simulate.h"

namespace lockflight::plan {

inline StepCosts even_costs(int stages, const schedule::StageTimes& times) {
  return {.stages = std::vector<StageCosts>(stages, {.times = times})};
}

inline SimulatedStep simulate_schedule(const schedule::Schedule& schedule, const StepCosts& costs) {
  return simulate(lower(schedule, {}), costs);
}

}  // namespace lockflight::plan
