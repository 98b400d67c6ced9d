#include "plan/search_problem.h"

#include <algorithm>
#include <cstddef>

#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/simulate.h"
#include "plan/predict.h"
#include "plan/recomputing.h"

namespace lockflight::plan {
namespace {

std::vector<schedule::SavedBytes> saved_bytes(nn::Model& model, const Plan& plan) {
  const Recomputing recomputing(model, recomputed_layers(model, plan.stages));
  const std::vector<LayerProfile> layers = dry_run(model, plan.batch_shape.micro_batch_rows);
  std::vector<schedule::SavedBytes> saved(plan.stages.size());
  for (std::size_t stage = 0; stage < saved.size(); ++stage) {
    const StagePlan& its = plan.stages[stage];
    for (int layer = its.first_layer; layer < its.first_layer + its.layers; ++layer) {
      const LayerMemory& memory = layers[layer].memory;
      saved[stage].after_forward += static_cast<std::int64_t>(memory.saved_after_forward_bytes);
      saved[stage].after_input_gradient +=
          static_cast<std::int64_t>(memory.saved_after_input_gradient_bytes);
    }
  }
  return saved;
}

}  // namespace

schedule::SearchProblem search_problem(nn::Model& model, const Plan& plan,
                                       const PlanOptions& options) {
  const StepCosts costs = step_costs(plan, options.device);
  schedule::SearchProblem problem{.placement = plan.schedule.placement,
                                  .micro_batches = options.micro_batches,
                                  .times = {},
                                  .forward_transfers = {},
                                  .backward_transfers = {},
                                  .receive_ahead = options.lower.receive_ahead,
                                  .saved = saved_bytes(model, plan),
                                  .memory_limits = {}};
  for (std::size_t stage = 0; stage < costs.stages.size(); ++stage) {
    problem.times.push_back(costs.stages[stage].times);
    if (stage + 1 < costs.stages.size()) {
      problem.forward_transfers.push_back(costs.link.time(costs.stages[stage].output_bytes));
      problem.backward_transfers.push_back(
          costs.link.time(costs.stages[stage].output_gradient_bytes));
    }
  }
  return problem;
}

std::int64_t least_kept(const schedule::SearchProblem& problem, int rank) {
  std::int64_t bytes = 0;
  std::int64_t more = 0;
  for (const int stage : problem.placement.stages_of(rank)) {
    const schedule::SavedBytes& saved = problem.saved[stage];
    bytes += saved.after_forward;
    more = std::max(more, saved.after_input_gradient - saved.after_forward);
  }
  return bytes + more;
}

std::vector<std::int64_t> kept_bytes(const Plan& plan, const schedule::SearchProblem& problem,
                                     const DeviceProfile& device) {
  StepCosts costs = step_costs(plan, device);
  for (std::size_t stage = 0; stage < costs.stages.size(); ++stage) {
    costs.stages[stage].saved_bytes = problem.saved[stage].after_forward;
    costs.stages[stage].saved_bytes_after_i = problem.saved[stage].after_input_gradient;
  }
  std::vector<std::int64_t> bytes;
  for (const SimulatedRank& rank : simulate(plan.program, costs).ranks) {
    bytes.push_back(rank.peak_bytes);
  }
  return bytes;
}

}  // namespace lockflight::plan
