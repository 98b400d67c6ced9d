// What the generators share.

#pragma once

#include <functional>
#include <string>
#include <vector>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

using OrderOfRank = std::function<std::vector<Action>(int rank)>;

/// A schedule in loop placement whose rank r runs order(r).
/// Throws InvalidArgument unless there is at least one rank, micro-batch and stage per rank.
Schedule in_loop_placement(std::string name, PipelineSize size, const OrderOfRank& order);

/// The same with one stage a rank; throws InvalidArgument if the size has several.
Schedule one_stage_a_rank(std::string name, PipelineSize size, const OrderOfRank& order);

}  // namespace lockflight::schedule
