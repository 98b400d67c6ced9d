// What --schedule asks for: the name of a schedule, or a file whose size is then the run's.

#pragma once

#include <string_view>

#include "tools/plan_options.h"
#include "tools/train_options.h"

namespace lockflight::tools {

/// If --schedule names a file, reads and proves it and lets ranks, micro-batches and own_schedule
/// be those of the file.  Throws as read_runnable_file does, and for train as check_trains does.
void take_schedule_file(TrainOptions& options);
void take_schedule_file(PlanCommandOptions& options);

/// Throws InvalidArgument if a schedule has no backwards.
void check_trains(std::string_view name, const schedule::Schedule& schedule);

/// How many the pipeline has.
int stages_of(const TrainOptions& options);
int stages_of(const PlanCommandOptions& options);

}  // namespace lockflight::tools
