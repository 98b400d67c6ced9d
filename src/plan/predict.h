// What a step is expected to take.

#pragma once

#include "lockflight/plan/plan.h"
#include "lockflight/plan/step_costs.h"

namespace lockflight::plan {

/// The costs of a plan's forwards, backwards and transfers, in seconds, by its stages' times and
/// the device's host and links.  The update costs nothing here.
StepCosts step_costs(const Plan& plan, const DeviceProfile& device);

/// Simulates the plan's program.
Prediction predict(const Plan& plan, const Profile& profile, const DeviceProfile& device);

}  // namespace lockflight::plan
