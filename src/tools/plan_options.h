// What lockflight plan can be asked.

#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "lockflight/schedule/schedule.h"
#include "tools/model_options.h"
#include "tools/schedule_file.h"

namespace CLI {
class App;
}

namespace lockflight::tools {

struct PlanCommandOptions {
  std::string named;               ///< a published model; empty: `model`
  std::int64_t named_context = 0;  ///< 0: as published
  ModelOptions model;
  int ranks = 4;
  std::optional<int> chunks;
  std::string schedule = "1f1b";                   ///< a name, or a file that ends in .csv
  GivenSize given;                                 ///< what of the size is no default
  std::optional<schedule::Schedule> own_schedule;  ///< what the file holds; see take_schedule_file
  int group = 0;
  std::string split = "auto";
  int micro_batches = 8;
  std::int64_t micro_batch_rows = 1;
  std::string memory;               ///< empty: of the device
  std::string recompute = "never";  ///< or when-needed, always
  bool optimizer_in_schedule = false;
  std::string device_profile = "h100";
  std::string optimizer = "adamw";
  std::string save_schedule;  ///< a CSV file; empty: none
  bool json = false;
};

CLI::App* add_plan(CLI::App& app, PlanCommandOptions& options);

/// What a plan depends on besides schedule and size, in the groups "Model" and `group`.
void add_planning(CLI::App& app, PlanCommandOptions& options, const std::string& group);

}  // namespace lockflight::tools
