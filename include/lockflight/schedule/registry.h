// The schedules that can be asked for by name.

#pragma once

#include <span>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

struct ScheduleInfo {
  std::string_view name;         // as it is written on a command line
  std::string_view description;  // one line
  std::string_view idle;         // idle time of each rank until a common end; p ranks
  std::string_view source;
  Schedule (*make)(PipelineSize size);
};

/// Every schedule that make_schedule knows, in the order in which a list shows them.
std::span<const ScheduleInfo> schedules();

/// The schedule of that name, upper or lower case, for size.ranks × size.micro_batches.
/// Throws InvalidArgument if there is no such name, no rank or no micro-batch.
Schedule make_schedule(std::string_view name, PipelineSize size);

}  // namespace lockflight::schedule
