// The step that a command line asks to simulate.

#pragma once

#include <string_view>

#include "lockflight/plan/program.h"
#include "lockflight/plan/step_costs.h"
#include "lockflight/schedule/schedule.h"
#include "tools/simulate_options.h"

namespace lockflight::tools {

struct SimulationSubject {
  schedule::Schedule schedule;
  plan::Program program;
  plan::StepCosts costs;
};

/// Makes the schedule, or reads and proves the file, whose own order is kept where it holds
/// transfers.
///   command   that asks, for its messages
/// Throws InvalidArgument for a schedule, size or time that cannot be, or a size that the file does
/// not have; FileError; DataError, with the place in the file, for one that cannot be run.
SimulationSubject simulation_subject(const SimulateOptions& options, std::string_view command);

}  // namespace lockflight::tools
