#include "plan/predict.h"

#include <fmt/format.h>

#include "lockflight/plan/simulate.h"

namespace lockflight::plan {

StepCosts step_costs(const Plan& plan, const DeviceProfile& device) {
  StepCosts costs{
      .link = {.latency = device.link_latency_seconds, .bandwidth = device.link_bytes_per_second},
      .host = device.host_seconds_per_action};
  for (const StagePlan& stage : plan.stages) {
    const auto bytes = static_cast<double>(stage.boundary_bytes);
    costs.stages.push_back({.times = {.forward = stage.forward_seconds,
                                      .input_gradient = stage.input_gradient_seconds,
                                      .weight_gradient = stage.weight_gradient_seconds},
                            .recompute = stage.recompute_seconds.value_or(0),
                            .output_bytes = bytes,
                            .output_gradient_bytes = bytes});
  }
  const schedule::Placement& placement = plan.schedule.placement;
  for (int part = 0; part < placement.parts() && placement.copies() == 2; ++part) {
    costs.copy_bytes.push_back(static_cast<double>(plan.stages[part].parameters) *
                               static_cast<double>(size_of(DType::f32)));
  }
  return costs;
}

Prediction predict(const Plan& plan, const Profile& profile, const DeviceProfile& device) {
  const SimulatedStep step = simulate(plan.program, step_costs(plan, device));
  Prediction prediction{
      .source =
          fmt::format("{} {}", profile.measured ? "measured on" : "estimated for", profile.device),
      .step_seconds = step.makespan,
      .idle_share = step.idle_barrier(),
      .idle = {}};
  for (const SimulatedRank& rank : step.ranks) {
    prediction.idle.push_back(rank.idle);
  }
  return prediction;
}

}  // namespace lockflight::plan
