// The size of a pipeline as commands are given it.

#pragma once

#include <optional>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::tools {

/// Throws InvalidArgument that names the option unless each number is at least 1 and they are small
/// enough, alone and together, for a machine to go through the schedule.
void check_size(const schedule::PipelineSize& size);

/// How many stages a rank has: `chunks`, or as few as the schedule, or "auto", allows.
/// Throws InvalidArgument if there is no such schedule.
int stages_per_rank(std::string_view schedule, std::optional<int> chunks);

}  // namespace lockflight::tools
