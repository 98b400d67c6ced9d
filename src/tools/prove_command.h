// lockflight prove: whether a schedule file can be run.

#pragma once

#include <string_view>

#include "lockflight/schedule/schedule.h"
#include "tools/console.h"
#include "tools/prove_options.h"

namespace lockflight::tools {

/// Throws DataError that names the first stage that lies elsewhere.
///   expected   "loop" or "v", or the text of a file: the rank of each stage, separated by commas,
///              spaces or line ends
///   name       what the message calls it
void check_placement(const schedule::Placement& placement, std::string_view expected,
                     std::string_view name);

/// Returns the exit code: success, or data if the schedule is refused.  Throws InvalidArgument,
/// DataError and FileError.
int run_prove(const ProveOptions& options, const Console& console);

}  // namespace lockflight::tools
