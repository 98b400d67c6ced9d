// lockflight plan: what a run will take, without the run.

#pragma once

#include "tools/console.h"
#include "tools/options.h"

namespace lockflight::tools {

/// Makes and prints the plan.  Throws InvalidArgument for what cannot be planned; a plan that does
/// not fit the memory is an answer: exit code 65 with the reason on standard output.
int run_plan(const PlanCommandOptions& given, const Console& console);

}  // namespace lockflight::tools
