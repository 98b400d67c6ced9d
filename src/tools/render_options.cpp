#include "tools/render_options.h"

#include <algorithm>
#include <initializer_list>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "tools/option_groups.h"

namespace lockflight::tools {
namespace {

constexpr const char* kPlan = "Plan";
constexpr const char* kTimes = "Times";

constexpr const char* kRenderFooter =
    "Examples:\n"
    "  lockflight render 1f1b --ranks 4 --micro-batches 8 -o 1f1b.svg\n"
    "  lockflight render schedule.csv --transfer 0.2 --transfers -o schedule.svg\n"
    "  lockflight render 1f1b --model gpt2-1.5b --device-profile a100 -o plan.svg\n"
    "Boxes are actions with the numbers of their micro-batches; beneath is what each rank keeps: "
    "in\n"
    "micro-batches, or in bytes where a model is given.";

// An option of one of these groups that is given; none: "".
std::string given_of(const CLI::App& app, std::initializer_list<std::string> groups) {
  for (const CLI::Option* option : app.get_options()) {
    if (option->count() > 0 && std::ranges::find(groups, option->get_group()) != groups.end()) {
      return option->get_name();
    }
  }
  return "";
}

}  // namespace

CLI::App* add_render(CLI::App& app, RenderOptions& options) {
  CLI::App* render = app.add_subcommand("render", "Draw a schedule's timetable as SVG");
  add_common(*render);
  render->footer(kRenderFooter);
  render->add_option("-o,--out", options.out, "Where to write it; standard output if not given")
      ->type_name("FILE");
  render->add_flag("--transfers", options.transfers, "Draw every transfer as an arrow");
  add_step(*render, options.step, kTimes);
  add_planning(*render, options.plan, kPlan);
  render->add_flag("--json", options.json, "Print a JSON object beside the picture's file");
  return render;
}

bool asks_for_plan(const CLI::App& render) {
  const std::string plan = given_of(render, {"Model", kPlan});
  const std::string time = given_of(render, {kTimes});
  if (!plan.empty() && !time.empty()) {
    throw InvalidArgument(
        fmt::format("render: {} says how long actions take, and with {} a plan does; give one of "
                    "them",
                    time, plan));
  }
  return !plan.empty();
}

}  // namespace lockflight::tools
