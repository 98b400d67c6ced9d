#include "lockflight/plan/step_costs.h"

#include <string_view>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

void check(std::string_view what, double value) {
  if (!(value >= 0)) {
    throw InvalidArgument(
        fmt::format("step costs: {} is {}; it must be a number of at least 0", what, value));
  }
}

void check(const LinkCosts& link) {
  check("a link's latency", link.latency);
  check("a link's bandwidth", link.bandwidth);
  if (link.bandwidth == 0) {
    throw InvalidArgument("step costs: a link's bandwidth is 0; transfers would never end");
  }
}

}  // namespace

void check(const StepCosts& costs, const Program& program) {
  if (static_cast<int>(costs.stages.size()) != program.placement.stages()) {
    throw InvalidArgument(fmt::format("step costs: costs of {} stages, but the program has {}",
                                      costs.stages.size(), program.placement.stages()));
  }
  if (!costs.update.empty() && costs.update.size() != program.ranks.size()) {
    throw InvalidArgument(fmt::format("step costs: updates of {} ranks, but the program has {}",
                                      costs.update.size(), program.ranks.size()));
  }
  const auto parts = static_cast<std::size_t>(program.placement.parts());
  if (!costs.copy_bytes.empty() && costs.copy_bytes.size() != parts) {
    throw InvalidArgument(
        fmt::format("step costs: copy_bytes of {} parts of the model, but the program has {}",
                    costs.copy_bytes.size(), parts));
  }
  for (const double bytes : costs.copy_bytes) {
    check("copy_bytes", bytes);
  }
  for (const StageCosts& stage : costs.stages) {
    check("a forward's time", stage.times.forward);
    check("an input gradient's time", stage.times.input_gradient);
    check("a weight gradient's time", stage.times.weight_gradient);
    check("a recomputation's time", stage.recompute);
    if (stage.recompute > stage.times.input_gradient) {
      throw InvalidArgument(fmt::format(
          "step costs: recomputing takes {}, more than the {} of the input gradient that "
          "it is part of",
          stage.recompute, stage.times.input_gradient));
    }
    check("a stage's output in bytes", stage.output_bytes);
    check("an output gradient in bytes", stage.output_gradient_bytes);
  }
  check(costs.link);
  for (const auto& [ranks, link] : costs.links) {
    check(link);
  }
  check("the share of an overlapped pair", costs.overlap);
  check("tied_bytes", costs.tied_bytes);
  check("the host's time", costs.host);
  for (const double update : costs.update) {
    check("an update's time", update);
  }
}

}  // namespace lockflight::plan
