#include "tools/schedule_command.h"

#include <algorithm>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/plan/transcribe.h"
#include "lockflight/schedule/csv.h"
#include "lockflight/schedule/grid.h"
#include "lockflight/schedule/registry.h"
#include "lockflight/schedule/search.h"
#include "lockflight/schedule/text.h"
#include "lockflight/schedule/timetable.h"
#include "tools/auto_schedule.h"
#include "tools/pipeline_size.h"
#include "tools/schedule_file.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

schedule::PipelineSize size_of(const ScheduleOptions& options) {
  return {.ranks = options.ranks,
          .micro_batches = options.micro_batches,
          .stages_per_rank = stages_per_rank(options.name, options.chunks),
          .group = options.group};
}

std::string format_of(const ScheduleOptions& options) {
  if (options.format.empty()) {
    return options.out.empty() ? "grid" : is_csv_file(options.out) ? "csv" : "text";
  }
  return options.format;
}

void check(const ScheduleOptions& options) {
  if (options.name.empty()) {
    throw InvalidArgument(
        "schedule: which one? try lockflight schedule 1f1b, or lockflight schedule --list");
  }
  const bool chooses = options.recompute || options.optimizer_in_schedule;
  const std::string format = format_of(options);
  if (chooses && format != "text") {
    throw InvalidArgument(
        fmt::format("{} is of no use with --format {}, which cannot say it; use --format text, or "
                    "--out FILE.lfs",
                    options.recompute ? "--recompute" : "--optimizer-in-schedule", format));
  }
  if (options.recompute == "when-needed") {
    throw InvalidArgument(
        "schedule: --recompute is when-needed, but there is no model whose memory could need it; "
        "use lockflight plan --save-schedule FILE.lfs, or never or always");
  }
  if (!is_schedule_file(options.name)) {
    check_size(size_of(options));
  } else if (options.group != 0) {
    throw InvalidArgument(fmt::format(
        "--group is of no use with a file such as {}; its order is already made", options.name));
  }
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

// A CSV has no name, so it gets that of the file.
schedule::SavedSchedule read(const ScheduleOptions& options) {
  ScheduleFile file = read_runnable_file(options.name, options.given,
                                         {.recompute = options.recompute,
                                          .optimizer_in_schedule = options.optimizer_in_schedule})
                          .file;
  if (!file.choices) {
    file.schedule.name = std::filesystem::path(file.path).stem().string();
  }
  return {.schedule = std::move(file.schedule),
          .choices = std::move(file.choices).value_or(schedule::Choices())};
}

schedule::SavedSchedule make_or_read(const ScheduleOptions& options) {
  using enum schedule::Choices::Recompute;
  schedule::SavedSchedule saved =
      is_schedule_file(options.name)
          ? read(options)
          : schedule::SavedSchedule{.schedule = make(options), .choices = {}};
  if (options.recompute) {
    saved.choices.recompute = *options.recompute == "always" ? always : never;
  }
  if (options.optimizer_in_schedule && schedule::has_backward(saved.schedule)) {
    saved.choices.optimizer_in_schedule = true;
  }
  return saved;
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

std::string as(std::string_view format, const schedule::SavedSchedule& saved,
               const Console& console) {
  const schedule::Schedule& schedule = saved.schedule;
  if (format == "text") {
    return schedule::write_text(saved);
  }
  if (format == "csv") {
    return schedule::write_csv(schedule);
  }
  if (format == "csv-comms") {
    return schedule::write_csv(schedule::is_lowered(schedule)
                                   ? schedule
                                   : plan::with_transfers(schedule, plan::TransferCells::own));
  }
  return format == "json" ? as_json(schedule).dump() + "\n" : as_drawing(schedule, console);
}

}  // namespace

void run_schedule(const ScheduleOptions& options, const Console& console) {
  if (options.list) {
    console.print(options.format == "json" ? list_as_json().dump() + "\n" : list_as_text());
    return;
  }
  check(options);
  const std::string text = as(format_of(options), make_or_read(options), console);
  if (options.out.empty()) {
    console.print(text);
  } else {
    train::replace_file(options.out, text);
  }
}

}  // namespace lockflight::tools
