#include "tools/prediction_check.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/statistics.h"

namespace lockflight::tools {
namespace {

using schedule::ActionKind;

double expected(const StagePlan& stage, ActionKind kind) {
  const double recompute = stage.recompute_seconds.value_or(0);
  switch (kind) {
    case ActionKind::forward:
      return stage.forward_seconds;
    case ActionKind::input_gradient:
      return stage.input_gradient_seconds - recompute;
    case ActionKind::weight_gradient:
      return stage.weight_gradient_seconds;
    case ActionKind::recompute:
      return recompute;
    default:
      return stage.input_gradient_seconds - recompute + stage.weight_gradient_seconds;
  }
}

std::string compared(double expected, double measured) {
  const std::string difference =
      expected > 0 ? fmt::format(" ({:+.1f} %)", 100 * (measured / expected - 1)) : "";
  return fmt::format("expected {:.3f} ms, measured {:.3f} ms{}", expected * 1e3, measured * 1e3,
                     difference);
}

}  // namespace

void PredictionCheck::add(const Timeline& timeline) {
  steps_.push_back(static_cast<double>(timeline.makespan_ns()) * 1e-9);
  for (const TimelineSpan& span : timeline.spans) {
    if (schedule::runs_layers(span.action.kind)) {
      actions_[{span.action.stage, span.action.kind}].push_back(
          static_cast<double>(span.end_ns - span.begin_ns) * 1e-9);
    }
  }
}

double PredictionCheck::step_seconds() const { return median(steps_); }

double PredictionCheck::action_seconds(int stage, ActionKind kind) const {
  const auto found = actions_.find({stage, kind});
  return found == actions_.end() ? 0 : median(found->second);
}

std::string PredictionCheck::as_text(const Plan& plan) const {
  std::string text =
      fmt::format("step       {}\n", compared(plan.prediction.step_seconds, step_seconds()));
  for (const auto& [action, seconds] : actions_) {
    const auto& [stage, kind] = action;
    text += fmt::format("  {:<8} {}\n", fmt::format("{}{}", stage, schedule::name_of(kind)),
                        compared(expected(plan.stages[stage], kind), median(seconds)));
  }
  return text + fmt::format("           (medians; {})\n", plan.prediction.source);
}

nlohmann::ordered_json PredictionCheck::as_json(const Plan& plan) const {
  nlohmann::ordered_json actions = nlohmann::ordered_json::array();
  for (const auto& [action, seconds] : actions_) {
    const auto& [stage, kind] = action;
    actions.push_back({{"stage", stage},
                       {"kind", schedule::name_of(kind)},
                       {"expected_seconds", expected(plan.stages[stage], kind)},
                       {"measured_seconds", median(seconds)}});
  }
  return {{"source", plan.prediction.source},
          {"expected_step_seconds", plan.prediction.step_seconds},
          {"measured_step_seconds", step_seconds()},
          {"actions", actions}};
}

}  // namespace lockflight::tools
