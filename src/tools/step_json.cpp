#include "tools/step_json.h"

#include <utility>

namespace lockflight::tools {

nlohmann::ordered_json step_as_json(const schedule::Schedule& schedule,
                                    const plan::SimulatedStep& step) {
  nlohmann::ordered_json peaks = nlohmann::ordered_json::array();
  for (const plan::SimulatedRank& rank : step.ranks) {
    peaks.push_back(rank.peak_activations);
  }
  return {{"schedule", schedule.name},
          {"stages", schedule.stages()},
          {"micro_batches", schedule.micro_batches},
          {"makespan", step.makespan},
          {"idle_barrier", step.idle_barrier()},
          {"idle_span", step.idle_span()},
          {"peak_activations", std::move(peaks)}};
}

}  // namespace lockflight::tools
