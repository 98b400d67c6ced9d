#include "tools/schedule_choice.h"

#include <numeric>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "tools/pipeline_size.h"
#include "tools/split.h"

namespace lockflight::tools {
namespace {

template <typename Options>
void take_file(Options& options, int& micro_batches) {
  if (!is_schedule_file(options.schedule)) {
    return;
  }
  ScheduleFile file = read_runnable_file(options.schedule, options.given,
                                         {.recompute = options.recompute,
                                          .split = options.split,
                                          .optimizer_in_schedule = options.optimizer_in_schedule})
                          .file;
  options.optimizer_in_schedule = options.optimizer_in_schedule || file.optimizer_in_schedule();
  options.choices = std::move(file.choices).value_or(schedule::Choices());
  options.own_schedule = std::move(file.schedule);
  options.ranks = options.own_schedule->ranks();
  micro_batches = options.own_schedule->micro_batches;
}

template <typename Options>
void take_choices(PlanOptions& plan, const Options& options, std::int64_t layers) {
  using enum schedule::Choices::Recompute;
  const schedule::Choices& choices = options.choices;
  const auto all = std::accumulate(choices.layers.begin(), choices.layers.end(), std::int64_t{0});
  if (!choices.layers.empty() && all != layers) {
    throw InvalidArgument(fmt::format("{} has stages of {} layers in all, but the model has {}",
                                      options.schedule, all, layers));
  }
  plan.split = choices.layers.empty() ? parse_split(options.split, stages_of(options), layers)
                                      : choices.layers;
  plan.recompute = choices.recompute == always ? Recomputation::always
                                               : parse_recompute(options.recompute.value_or(""));
  if (choices.recompute == listed) {
    plan.recomputed = choices.recomputed;
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

void set_choices(PlanOptions& plan, const TrainOptions& options, std::int64_t layers) {
  take_choices(plan, options, layers);
}
void set_choices(PlanOptions& plan, const PlanCommandOptions& options, std::int64_t layers) {
  take_choices(plan, options, layers);
}

void check_trains(std::string_view name, const schedule::Schedule& schedule) {
  if (!schedule::has_backward(schedule)) {
    throw InvalidArgument(fmt::format("--schedule {} has no backwards, so it cannot train", name));
  }
}

int stages_of(const TrainOptions& options) { return number_of_stages(options); }
int stages_of(const PlanCommandOptions& options) { return number_of_stages(options); }

}  // namespace lockflight::tools
