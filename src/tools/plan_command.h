// lockflight plan: what a run will take, without the run.

#pragma once

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "tools/console.h"
#include "tools/plan_options.h"

namespace lockflight::tools {

/// Makes and prints the plan.  Throws InvalidArgument for what cannot be planned; a plan that does
/// not fit the memory is an answer: exit code 65 with the reason on standard output.
int run_plan(const PlanCommandOptions& given, const Console& console);

/// The model that the options name or describe, without memory.  Throws InvalidArgument.
nn::Model model_of(const PlanCommandOptions& options);

/// What the options say of its plan.  Throws InvalidArgument, FileError or DataError.
PlanOptions options_of(const PlanCommandOptions& options, const nn::Model& model);

}  // namespace lockflight::tools
