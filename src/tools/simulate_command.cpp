#include "tools/simulate_command.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/plan/simulate.h"
#include "lockflight/plan/unroll.h"
#include "lockflight/schedule/grid.h"
#include "tools/simulation_subject.h"

namespace lockflight::tools {
namespace {

using plan::SimulatedStep;
using schedule::Schedule;

// Of several steps in a row; what one more takes, or what the only one takes.
struct Row {
  int steps = 1;
  double step_time = 0;
  SimulatedStep all;
};

Row simulate_row(const plan::Program& program, const plan::StepCosts& costs, int steps) {
  Row row{.steps = steps, .all = plan::simulate(plan::unroll(program, steps), costs)};
  row.step_time =
      row.all.makespan -
      (steps == 1 ? 0.0 : plan::simulate(plan::unroll(program, steps - 1), costs).makespan);
  return row;
}

nlohmann::ordered_json as_json(const Schedule& schedule, const Row& row) {
  const SimulatedStep& step = row.all;
  nlohmann::ordered_json peaks = nlohmann::ordered_json::array();
  nlohmann::ordered_json ranks = nlohmann::ordered_json::array();
  for (const plan::SimulatedRank& rank : step.ranks) {
    peaks.push_back(rank.peak_activations);
    ranks.push_back({{"busy", rank.busy},
                     {"idle",
                      {{"dependency", rank.idle.dependency},
                       {"transfer", rank.idle.transfer},
                       {"imbalance", rank.idle.imbalance},
                       {"host", rank.idle.host},
                       {"tail", rank.idle.tail}}}});
  }
  return {{"schedule", schedule.name},
          {"stages", schedule.stages()},
          {"micro_batches", schedule.micro_batches},
          {"steps", row.steps},
          {"makespan", step.makespan},
          {"step_time", row.step_time},
          {"idle_barrier", step.idle_barrier()},
          {"idle_span", step.idle_span()},
          {"peak_activations", std::move(peaks)},
          {"ranks", std::move(ranks)}};
}

// The timetable, if its times are whole multiples of the shortest one, transfers do not matter and
// it fits the terminal.
std::string drawing(const Schedule& schedule, const SimulateOptions& options,
                    const SimulatedStep& step, const Console& console) {
  const auto stages = schedule.placement.stages_of(0).size() / schedule.placement.copies();
  const bool even =
      static_cast<std::size_t>(schedule.placement.parts()) == stages * step.ranks.size();
  const double unit = std::min({options.forward, options.input_gradient, options.weight_gradient});
  const double width = 2 * static_cast<double>(stages) * step.makespan / unit;
  if (!even || unit == 0 || options.steps > 1 || schedule::is_lowered(schedule) ||
      options.transfer > 0 || options.host > 0 || options.recompute > 0 ||
      width > console.columns) {
    return {};
  }
  std::array<int, 3> slots{};
  std::ranges::transform(
      std::array{options.forward, options.input_gradient, options.weight_gradient}, slots.begin(),
      [&](double time) { return std::fmod(time, unit) == 0 ? static_cast<int>(time / unit) : 0; });
  if (std::ranges::min(slots) == 0) {
    return {};
  }
  const std::string grid = schedule::draw_grid(schedule, {.forward = slots[0],
                                                          .input_gradient = slots[1],
                                                          .weight_gradient = slots[2],
                                                          .colour = console.colour,
                                                          .columns = console.columns});
  return std::ranges::count(grid, '\n') == schedule.ranks() ? grid + "\n" : std::string();
}

std::string as_text(const Schedule& schedule, const Row& row) {
  const SimulatedStep& step = row.all;
  std::string text =
      fmt::format("{:>5}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}  {:>10}\n", "rank", "busy",
                  "dependency", "transfer", "imbalance", "host", "tail", "keeps");
  for (std::size_t i = 0; i < step.ranks.size(); ++i) {
    const plan::SimulatedRank& rank = step.ranks[i];
    text += fmt::format(
        "{:>5}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.6g}  {:>10.4g}\n", i,
        rank.busy, rank.idle.dependency, rank.idle.transfer, rank.idle.imbalance, rank.idle.host,
        rank.idle.tail, rank.peak_activations);
  }
  const std::string steps =
      row.steps == 1 ? std::string()
                     : fmt::format(" of {} steps, one more takes {:.6g}", row.steps, row.step_time);
  return text +
         fmt::format(
             "{}: makespan {:.6g}{}; idle {:.1f} % up to a common end, {:.1f} % between each "
             "rank's first and last action\n",
             schedule.name, step.makespan, steps, 100 * step.idle_barrier(),
             100 * step.idle_span());
}

}  // namespace

void run_simulate(const SimulateOptions& options, const Console& console) {
  const auto [schedule, program, costs] = simulation_subject(options, "simulate");
  const Row row = simulate_row(program, costs, options.steps);
  if (options.json) {
    console.print(as_json(schedule, row).dump() + "\n");
  } else {
    console.print(drawing(schedule, options, row.all, console) + as_text(schedule, row));
  }
}

}  // namespace lockflight::tools
