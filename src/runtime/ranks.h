// The ranks of a pipeline: for each a host thread, an executor, and the block of its tensors.

#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/timeline.h"
#include "lockflight/runtime/pipeline.h"
#include "plan/executor.h"
#include "runtime/rank_threads.h"

namespace lockflight::runtime {

/// Calls come from one thread, but where something else is said.
class Ranks {
 public:
  /// Every rank's executor gets its stages of the copies of the model, and its ends of what is
  /// tied. The copies must live as long, as must the jobs, steps and parameters that executors are
  /// given.
  Ranks(World& world, const std::vector<nn::Model*>& copies, const std::vector<StagePlan>& stages);

  int count() const { return world_.ranks(); }
  Device& device(int rank) { return world_.device(rank); }
  plan::Executor& executor(int rank) { return *executors_[rank]; }

  /// Calls work(rank) on every rank's thread, then waits for the devices.  Throws what failed first
  /// on any rank, with rank and action in front; from then on every call throws.
  void run(const std::function<void(int rank)>& work);
  void on_each_rank(const std::function<void(RankContext&)>& work);

  /// On its compute stream.
  RankContext context(int rank) { return context(rank, executor(rank).compute_stream()); }
  RankContext context(int rank, Stream& stream, std::size_t step = 0);

  /// Makes a rank's block at least that large.  On the rank's thread.
  void make_room(const RankContext& context, std::size_t bytes);

  /// Has all executors give back what a step left.
  void end_steps();

  /// Adds what the executors have measured of the last step, or of all of a row.
  void add_measured(Timeline& timeline) const;

 private:
  [[noreturn]] void rethrow(const RankThreads::Failure& failure);

  World& world_;
  std::string failed_;  // what failed first; empty: nothing
  std::vector<Tensor> blocks_;
  std::vector<std::unique_ptr<plan::Executor>> executors_;
  RankThreads threads_;  // last: they use all of the above
};

}  // namespace lockflight::runtime
