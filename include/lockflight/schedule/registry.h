// The schedules that can be asked for by name.

#pragma once

#include <span>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

struct ScheduleInfo {
  std::string_view name;         // as it is written on a command line
  std::string_view description;  // one line
  std::string_view idle;  // idle time of each rank until a common end; p ranks, v stages each
  std::string_view source;
  bool several_stages = false;  // whether it takes more than one stage per rank
  Schedule (*make)(PipelineSize size);
};

/// Every schedule that make_schedule knows, in the order in which a list shows them.
std::span<const ScheduleInfo> schedules();

/// The schedule of that name, upper or lower case, of that size.
/// Throws InvalidArgument if there is no such name, no rank, no micro-batch or no stage per rank,
/// or if there are several stages per rank where the schedule has one.
Schedule make_schedule(std::string_view name, PipelineSize size);

}  // namespace lockflight::schedule
