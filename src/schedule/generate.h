// What the generators share.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// A schedule with one stage a rank, whose rank r runs order(r).
/// Throws InvalidArgument unless there is at least one rank and micro-batch.
Schedule one_stage_a_rank(std::string name, PipelineSize size,
                          const std::function<std::vector<Action>(int rank)>& order);

}  // namespace lockflight::schedule
