// The schedules that can be asked for by name.

#pragma once

#include <span>
#include <string_view>

#include "lockflight/schedule/schedule.h"

namespace lockflight::schedule {

struct ScheduleInfo {
  std::string_view name;         // as it is written on a command line
  std::string_view description;  // one line
  std::string_view idle;         // of each rank until a common end; p ranks, v stages each
  std::string_view keeps;        // activations of how many micro-batches rank r has at most
  std::string_view source;
  bool several_stages = false;  // whether it takes any number of stages per rank, else it has one
  bool v_placement = false;     // or two, in V placement, or two-way if there are two copies
  bool groups = false;          // whether it takes PipelineSize::group
  int copies = 1;  // of the model, among which ranks and micro-batches are shared out evenly
  int rounds = 0;  // it needs so many times p micro-batches
  Schedule (*make)(PipelineSize size);

  /// As many as a size has that says nothing of them.
  int usual_stages_per_rank() const { return v_placement ? 2 : 1; }
  /// The fewest ranks and micro-batches that it has.
  PipelineSize least_size() const {
    return {.ranks = copies, .micro_batches = copies * (rounds > 0 ? rounds : 1)};
  }
  /// Whether it has so many ranks and micro-batches.
  bool takes(int ranks, int micro_batches) const {
    return ranks % copies == 0 && micro_batches % copies == 0 && micro_batches >= rounds * ranks;
  }
};

/// Every schedule that make_schedule knows, in the order in which a list shows them.
std::span<const ScheduleInfo> schedules();

/// The entry of that name, upper or lower case.  Throws InvalidArgument if there is none.
const ScheduleInfo& schedule_info(std::string_view name);

/// The schedule of that name, upper or lower case, of that size.
/// Throws InvalidArgument if there is no such name, no rank, no micro-batch or no stage per rank,
/// or if the schedule does not have that size: another number of stages per rank, too few
/// micro-batches, or groups where it takes none.
Schedule make_schedule(std::string_view name, PipelineSize size);

}  // namespace lockflight::schedule
