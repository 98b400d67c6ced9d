// A step as a CUDA graph.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/runtime/pipeline.h"
#include "plan/executor.h"
#include "plan/job.h"
#include "runtime/ranks.h"

namespace lockflight::runtime {

/// A graph finds its data, and leaves its losses, where they were when it was captured: here.  So
/// this must outlive the ranks that have captured.
class StepGraph {
 public:
  /// Forwards and backwards of training on this batch; captures them first if need be.  Waits.
  /// Returns the losses by micro-batch.  Throws as Ranks::run does.
  std::vector<float> run(Ranks& ranks, const plan::Job& training, const Batch& batch,
                         std::uint64_t seed);

  /// Has the next run capture anew; the executors give their graphs back before.
  void forget() { captured_ = false; }

 private:
  bool captured_ = false;
  Batch batch_;
  plan::Step step_;
};

}  // namespace lockflight::runtime
