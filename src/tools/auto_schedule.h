// "auto" where there is no model: the schedule that is searched for times that are given.

#pragma once

#include "lockflight/schedule/schedule.h"
#include "lockflight/schedule/timetable.h"

namespace lockflight::tools {

/// Ranks that are alike. Times are those of a rank for one micro-batch, which its stages share
/// equally.
struct EvenPipeline {
  int ranks = 1;
  int micro_batches = 1;
  int stages_per_rank = 1;  ///< one and two are tried besides
  schedule::StageTimes times;
  double transfer = 0;
};

/// The fastest that schedule::search finds in loop and V placement.
schedule::Schedule auto_schedule(const EvenPipeline& pipeline);

}  // namespace lockflight::tools
