// The size of a pipeline as commands are given it.

#pragma once

#include "lockflight/schedule/schedule.h"

namespace lockflight::tools {

/// Throws InvalidArgument that names the option unless each number is at least 1 and they are small
/// enough, alone and together, for a machine to go through the schedule.
void check_size(const schedule::PipelineSize& size);

}  // namespace lockflight::tools
