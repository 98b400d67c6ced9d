// What --schedule asks for: the name of a schedule, or a file whose size and choices are then the
// run's.

#pragma once

#include <cstdint>
#include <string_view>

#include "lockflight/plan/plan.h"
#include "tools/plan_options.h"
#include "tools/train_options.h"

namespace lockflight::tools {

/// If --schedule names a file, reads and proves it and lets ranks, micro-batches, own_schedule and
/// choices be those of the file, the optimizer's place too.  Throws as read_runnable_file does, and
/// for train as check_trains does.
void take_schedule_file(TrainOptions& options);
void take_schedule_file(PlanCommandOptions& options);

/// Throws InvalidArgument if a schedule has no backwards.
void check_trains(std::string_view name, const schedule::Schedule& schedule);

/// Sets a plan's split and what it recomputes: as the file says, or if it says nothing, as options
/// do.
///   layers   of the model
/// Throws InvalidArgument as parse_split does, or if the file has another number of layers.
void set_choices(PlanOptions& plan, const TrainOptions& options, std::int64_t layers);
void set_choices(PlanOptions& plan, const PlanCommandOptions& options, std::int64_t layers);

/// How many the pipeline has.
int stages_of(const TrainOptions& options);
int stages_of(const PlanCommandOptions& options);

}  // namespace lockflight::tools
