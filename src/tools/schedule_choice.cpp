#include "tools/schedule_choice.h"

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "tools/pipeline_size.h"

namespace lockflight::tools {
namespace {

template <typename Options>
void take_file(Options& options, int& micro_batches) {
  if (is_schedule_file(options.schedule)) {
    options.own_schedule = read_runnable_file(options.schedule, options.given).schedule;
    options.ranks = options.own_schedule->ranks();
    micro_batches = options.own_schedule->micro_batches;
  }
}

template <typename Options>
int number_of_stages(const Options& options) {
  if (options.own_schedule) {
    return options.own_schedule->placement.parts();
  }
  const int copies =
      schedule::is_auto(options.schedule) ? 1 : schedule::schedule_info(options.schedule).copies;
  return options.ranks * stages_per_rank(options.schedule, options.chunks) / copies;
}

}  // namespace

void take_schedule_file(TrainOptions& options) {
  take_file(options, options.update.micro_batches);
  if (options.own_schedule) {
    check_trains(options.schedule, *options.own_schedule);
  }
}

void take_schedule_file(PlanCommandOptions& options) { take_file(options, options.micro_batches); }

void check_trains(std::string_view name, const schedule::Schedule& schedule) {
  if (!schedule::has_backward(schedule)) {
    throw InvalidArgument(fmt::format("--schedule {} has no backwards, so it cannot train", name));
  }
}

int stages_of(const TrainOptions& options) { return number_of_stages(options); }
int stages_of(const PlanCommandOptions& options) { return number_of_stages(options); }

}  // namespace lockflight::tools
