// What lockflight schedule can be asked.

#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace lockflight::tools {

struct ScheduleOptions {
  std::string name;
  bool list = false;
  int ranks = 4;
  int micro_batches = 8;
  std::optional<int> chunks;  ///< stages per rank; none: as few as the schedule allows
  int group = 0;              ///< micro-batches; 0: as many as ranks
  std::string format = "grid";
};

/// `json` says the same as the format json.
CLI::App* add_schedule(CLI::App& app, ScheduleOptions& options, bool& json);

}  // namespace lockflight::tools
