// lockflight schedule: prints a schedule, or the list of those that there are.

#pragma once

#include "tools/console.h"
#include "tools/schedule_options.h"

namespace lockflight::tools {

/// Throws InvalidArgument and FileError.
void run_schedule(const ScheduleOptions& options, const Console& console);

}  // namespace lockflight::tools
