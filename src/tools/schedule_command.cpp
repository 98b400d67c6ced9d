#include "tools/schedule_command.h"

#include <algorithm>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/grid.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "lockflight/schedule/timetable.h"
#include "tools/auto_schedule.h"
#include "tools/pipeline_size.h"

namespace lockflight::tools {
namespace {

schedule::PipelineSize size_of(const ScheduleOptions& options) {
  return {.ranks = options.ranks,
          .micro_batches = options.micro_batches,
          .stages_per_rank = stages_per_rank(options.name, options.chunks),
          .group = options.group};
}

void check(const ScheduleOptions& options) {
  if (options.name.empty()) {
    throw InvalidArgument(
        "schedule: which one? try lockflight schedule 1f1b, or lockflight schedule --list");
  }
  check_size(size_of(options));
}

std::string list_as_text() {
  std::string text;
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    text += fmt::format("{:<16}{}\n{:<16}idle {}\n{:<16}keeps {}; source: {}\n", info.name,
                        info.description, "", info.idle, "", info.keeps, info.source);
  }
  return text;
}

nlohmann::json list_as_json() {
  nlohmann::json list = nlohmann::json::array();
  for (const schedule::ScheduleInfo& info : schedule::schedules()) {
    list.push_back({{"name", info.name},
                    {"description", info.description},
                    {"idle", info.idle},
                    {"keeps", info.keeps},
                    {"several_stages", info.several_stages},
                    {"v_placement", info.v_placement},
                    {"copies", info.copies},
                    {"source", info.source}});
  }
  return list;
}

schedule::StageTimes usual_times() {
  return {.forward = 1, .input_gradient = 1, .weight_gradient = 1};
}

schedule::Schedule make(const ScheduleOptions& options) {
  if (schedule::is_auto(options.name)) {
    return auto_schedule({.ranks = options.ranks,
                          .micro_batches = options.micro_batches,
                          .stages_per_rank = size_of(options).stages_per_rank,
                          .times = usual_times()});
  }
  return schedule::make_schedule(options.name, size_of(options));
}

nlohmann::json as_json(const schedule::Schedule& schedule) {
  nlohmann::json rows = nlohmann::json::array();
  for (int rank = 0; rank < schedule.ranks(); ++rank) {
    nlohmann::json& row = rows.emplace_back(nlohmann::json::array());
    for (const schedule::Action& action : schedule.actions(rank)) {
      row.push_back(schedule::to_string(action));
    }
  }
  return {{"name", schedule.name},
          {"ranks", schedule.ranks()},
          {"stages", schedule.stages()},
          {"micro_batches", schedule.micro_batches},
          {"idle_share", schedule::make_timetable(schedule, usual_times()).idle_share()},
          {"rows", std::move(rows)}};
}

std::string as_drawing(const schedule::Schedule& schedule, const Console& console) {
  const auto kept = schedule::peak_activations(schedule);
  return schedule::draw_grid(schedule, {.colour = console.colour,
                                        .columns = console.terminal ? console.columns : 0}) +
         fmt::format(
             "idle {:.1f} % if a backward takes two forwards; keeps at most {:g} "
             "micro-batches on a rank\n",
             100 * schedule::make_timetable(schedule, usual_times()).idle_share(),
             static_cast<double>(*std::ranges::max_element(kept) * schedule.ranks()) /
                 schedule.placement.parts());
}

}  // namespace

void run_schedule(const ScheduleOptions& options, const Console& console) {
  if (options.list) {
    console.print(options.format == "json" ? list_as_json().dump() + "\n" : list_as_text());
    return;
  }
  check(options);
  const schedule::Schedule schedule = make(options);
  if (options.format == "csv") {
    console.print(schedule::write_csv(schedule));
  } else if (options.format == "csv-comms") {
    console.print(schedule::write_csv(plan::with_transfers(schedule, plan::TransferCells::own)));
  } else if (options.format == "json") {
    console.print(as_json(schedule).dump() + "\n");
  } else {
    console.print(as_drawing(schedule, console));
  }
}

}  // namespace lockflight::tools
