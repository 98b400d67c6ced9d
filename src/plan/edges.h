// Over which channel a boundary crosses, and in which order.

#pragma once

#include "lockflight/plan/program.h"
#include "lockflight/schedule/schedule.h"
#include "plan/boundaries.h"

namespace lockflight::plan {

/// Two for each pair of neighbouring stages: 0 … 2·(stages − 1) − 1.
int channel_of(const Boundary& boundary);

/// Transfers of an edge match in order.  Throws PlanError if two stages on different ranks have
/// different orders of the micro-batches that pass between them.  The schedule is valid.
void check_edges(const schedule::Schedule& schedule);

}  // namespace lockflight::plan
