#include "runtime/step_graph.h"

#include <cstddef>
#include <utility>

#include "runtime/host_rows.h"

namespace lockflight::runtime {

std::vector<float> StepGraph::run(Ranks& ranks, const plan::Job& training, const Batch& batch,
                                  std::uint64_t seed) {
  if (batch_.inputs.empty()) {
    batch_ = batch;
  }
  copy_bytes(batch.inputs, batch_.inputs);
  copy_bytes(batch.targets, batch_.targets);
  if (!std::exchange(captured_, true)) {
    step_ = {.inputs = &batch_.inputs, .targets = &batch_.targets, .seed = seed};
    step_.losses.resize(static_cast<std::size_t>(training.program.micro_batches));
    ranks.run([&](int rank) { ranks.executor(rank).capture(training, step_); });
    ranks.end_steps();
  }
  ranks.run([&](int rank) { ranks.executor(rank).launch_graph(); });
  return step_.losses;
}

}  // namespace lockflight::runtime
