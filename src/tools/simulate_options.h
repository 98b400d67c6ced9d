// What lockflight simulate can be asked.

#pragma once

#include <optional>
#include <string>

namespace CLI {
class App;
}

namespace lockflight::tools {

/// Times are those of a rank for one micro-batch, which its stages share equally, in any one unit.
struct SimulateOptions {
  std::string schedule;              ///< a name, or a file that ends in .csv
  std::optional<int> ranks;          ///< none: what the file has, or 4
  std::optional<int> micro_batches;  ///< none: what the file has, or 8
  std::optional<int> chunks;         ///< stages per rank; none: what the file or schedule has
  std::optional<int> group;          ///< micro-batches; none: as many as ranks
  double forward = 1;
  double input_gradient = 1;
  double weight_gradient = 1;
  double transfer = 0;  ///< of one boundary from rank to rank
  double host = 0;      ///< for a host to enqueue an action
  int steps = 1;        ///< in a row
  bool optimizer_in_schedule = false;
  bool json = false;
};

CLI::App* add_simulate(CLI::App& app, SimulateOptions& options);

/// The schedule, its size, and its times in the group `times`.
void add_step(CLI::App& app, SimulateOptions& options, const std::string& times);

}  // namespace lockflight::tools
