#include "plan/job.h"

#include <utility>

#include "lockflight/core/error.h"
#include "lockflight/plan/dry_run.h"
#include "lockflight/plan/lower.h"
#include "lockflight/plan/prove_layout.h"
#include "lockflight/schedule/forward_only.h"
#include "plan/rehearse.h"

namespace lockflight::plan {
namespace {

std::vector<std::vector<TensorSpec>> boundaries(nn::Model& model,
                                                const std::vector<StagePlan>& stages,
                                                std::int64_t rows) {
  const auto profile = dry_run(model, rows, false);
  std::vector<std::vector<TensorSpec>> boundaries;
  for (std::size_t stage = 0; stage + 1 < stages.size(); ++stage) {
    boundaries.push_back(profile[stages[stage].first_layer + stages[stage].layers - 1].outputs);
  }
  return boundaries;
}

}  // namespace

Job training_job(nn::Model& model, const Plan& plan) {
  const std::int64_t rows = plan.batch_shape.micro_batch_rows;
  return {.program = plan.program,
          .boundaries = boundaries(model, plan.stages, rows),
          .micro_batch_rows = rows,
          .training = schedule::has_backward(plan.schedule),
          .layouts = {}};
}

Job forward_job(nn::Model& model, const Plan& plan, const ForwardSize& size) {
  schedule::Schedule schedule =
      schedule::forward_only(plan.schedule.placement.first_copy(), size.micro_batches);
  return {.program = lower(schedule, {}),
          .boundaries = boundaries(model, plan.stages, size.micro_batch_rows),
          .micro_batch_rows = size.micro_batch_rows,
          .training = false,
          .with_loss = size.with_loss,
          .layouts = {}};
}

std::vector<std::vector<BufferLife>> lay_out(nn::Model& model, const std::vector<StagePlan>& stages,
                                             Job& job) {
  Rehearsal rehearsal = rehearse(model, stages, job);
  const auto& buffers = rehearsal.buffers;
  job.drawing_layer = rehearsal.drawing_layer;
  job.layouts.clear();
  for (std::size_t rank = 0; rank < buffers.size(); ++rank) {
    const auto streams = streams_of(job.program.ranks[rank], buffers[rank]);
    job.layouts.push_back(place(buffers[rank], streams));
    const auto findings =
        prove_layout(static_cast<int>(rank), buffers[rank], job.layouts[rank], streams);
    if (!findings.empty()) {
      throw PlanError("the layout is not proved: " + to_string(findings.front()));
    }
  }
  return std::move(rehearsal.buffers);
}

}  // namespace lockflight::plan
