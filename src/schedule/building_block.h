// Schedules in V placement that repeat one block: the six actions of a micro-batch on a rank, each
// a unit long, again for the next micro-batch six units later.
//
// Source: Qi et al. 2024 (arXiv:2405.15362), section 3.

#pragma once

#include <functional>
#include <string>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

/// When micro-batch 0's actions begin on a rank: of its stages on the way down and on the way up.
/// No two are equal modulo 6. A weight gradient takes the first unit after its input gradient that
/// is free in every repetition, the one of the way up first.
struct BuildingBlock {
  int down_forward = 0;
  int up_forward = 0;
  int up_gradient = 0;
  int down_gradient = 0;
};

/// Every rank's actions in the order in which they begin: what is left of the units' times is that
/// order, in which ranks go on as soon as they can.  Throws as in_v_placement does.
Schedule repeat(std::string name, PipelineSize size,
                const std::function<BuildingBlock(int rank)>& block);

}  // namespace lockflight::schedule
