// lockflight prove: whether a schedule file can be run.

#pragma once

#include <string_view>
#include <vector>

#include "lockflight/plan/prove.h"
#include "lockflight/schedule/schedule.h"
#include "tools/console.h"
#include "tools/options.h"

namespace lockflight::tools {

struct ScheduleProof {
  plan::Proof proof;
  /// By rank and instruction, the cell it comes from; empty where instructions are not those of the
  /// file.
  std::vector<std::vector<int>> cells;
};

/// Proves a schedule of either dialect.  One with transfers is proved in its own order.  One
/// without is proved with the plainest transfers first, so that findings have cells, and then as
/// the program that lockflight makes of it, or, for one stream, only with the plainest transfers.
/// Throws DataError for transfers that can belong to no program.
ScheduleProof prove_schedule(const schedule::Schedule& schedule, bool one_stream);

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
