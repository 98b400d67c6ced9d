// lockflight simulate: how long a step takes under a schedule, and why ranks are idle in it.

#pragma once

#include "tools/console.h"
#include "tools/simulate_options.h"

namespace lockflight::tools {

/// Throws InvalidArgument, FileError if a schedule file cannot be read, and DataError if there is
/// no schedule in it that can be run.
void run_simulate(const SimulateOptions& options, const Console& console);

}  // namespace lockflight::tools
