// What a plan expected, beside what was measured.

#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json_fwd.hpp>

#include "lockflight/plan/plan.h"
#include "lockflight/plan/timeline.h"

namespace lockflight::tools {

/// Collects the timelines of a run's steps.
class PredictionCheck {
 public:
  void add(const Timeline& timeline);

  bool empty() const { return steps_.empty(); }
  /// Median over the steps, of all forwards and backwards.
  double step_seconds() const;
  /// Median over the steps and micro-batches of one kind of action of one stage; 0 if it has none.
  double action_seconds(int stage, schedule::ActionKind kind) const;

  /// "step  expected 118 ms, measured 121 ms (+2.5 %)", and a line for the actions of each stage.
  std::string as_text(const Plan& plan) const;
  nlohmann::ordered_json as_json(const Plan& plan) const;

 private:
  std::vector<double> steps_;
  std::map<std::pair<int, schedule::ActionKind>, std::vector<double>> actions_;
};

}  // namespace lockflight::tools
