// What lockflight render can be asked.

#pragma once

#include <string>

#include "tools/plan_options.h"
#include "tools/simulate_options.h"

namespace CLI {
class App;
}

namespace lockflight::tools {

struct RenderOptions {
  SimulateOptions step;     ///< what to draw, and its times
  PlanCommandOptions plan;  ///< or the model and devices that give times and bytes; its size is of
                            ///< no use
  bool planned = false;     ///< which of them: options of the model or the plan are given
  std::string out;          ///< empty: standard output
  bool transfers = false;
  bool json = false;
};

CLI::App* add_render(CLI::App& app, RenderOptions& options);

/// Whether a plan gives the times, by what is given to that command.  Throws InvalidArgument if
/// both times and what makes a plan are.
bool asks_for_plan(const CLI::App& render);

}  // namespace lockflight::tools
