#include "plan/recompute_ahead.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "lockflight/plan/prove.h"
#include "lockflight/plan/transcribe.h"
#include "plan/copies.h"
#include "plan/memory.h"
#include "plan/recompute_places.h"
#include "plan/recomputing.h"

namespace lockflight::plan {
namespace {

// In the stage's layers.
int last_recomputed(const StagePlan& stage, const Profile& costs) {
  int layer = stage.first_layer + stage.layers - 1;
  while (costs.layers[layer].name != stage.recomputed.back()) {
    --layer;
  }
  return layer;
}

bool ends_with_it(const StagePlan& stage) { return stage.recomputed.back() == stage.last_name; }

Plan with_recomputes(const Plan& plan, const std::vector<bool>& places, const Profile& costs,
                     LowerOptions options) {
  Plan result = plan;
  for (std::size_t i = 0; i < places.size(); ++i) {
    StagePlan& stage = result.stages[i];
    if (places[i]) {
      stage.recompute_seconds = costs.layers[last_recomputed(stage, costs)].seconds.forward;
    }
  }
  options.recomputes = places;
  result.program = program_of(plan.schedule, ties_of_model(plan.program), options);
  return result;
}

}  // namespace

std::vector<bool> recompute_marks(const std::vector<StagePlan>& stages) {
  std::vector<bool> marks;
  for (const StagePlan& stage : stages) {
    marks.push_back(stage.recompute_seconds.has_value());
  }
  return std::ranges::find(marks, true) == marks.end() ? std::vector<bool>() : marks;
}

Plan recompute_ahead(nn::Model& model, Plan plan, const Profile& costs,
                     const PlanOptions& options) {
  std::vector<bool> marks;
  for (const StagePlan& stage : plan.stages) {
    marks.push_back(!stage.recomputed.empty());
  }
  std::vector<bool> places = recompute_places(plan.schedule, marks);
  if (std::ranges::find(places, true) == places.end()) {
    return plan;
  }
  const Recomputing recomputing(model, recomputed_layers(model, plan.stages));
  Plan ahead = with_recomputes(plan, places, costs, options.lower);
  ahead.memory = memory_of(model, ahead, options);
  std::vector<RankMemory> memory = ahead.memory;
  const std::vector<bool> all = places;
  bool partly = false;  // a rank that grows keeps some R
  for (std::size_t i = 0; i < places.size(); ++i) {
    const StagePlan& stage = plan.stages[i];
    const RankMemory& before = plan.memory[stage.rank];
    if (places[i] && ahead.memory[stage.rank].step_bytes > before.step_bytes) {
      places[i] = ends_with_it(stage);
      partly = partly || places[i];
      memory[stage.rank] = before;  // a rank's memory depends on its own instructions alone
    }
  }
  if (places != all) {
    ahead = with_recomputes(plan, places, costs, options.lower);
    ahead.memory = partly ? memory_of(model, ahead, options) : std::move(memory);
  }
  check_proved(ahead.program);
  return ahead;
}

}  // namespace lockflight::plan
