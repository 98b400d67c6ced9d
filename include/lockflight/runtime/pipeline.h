// The user's handle on a model that is spread over ranks.

#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockflight/comm/world.h"
#include "lockflight/core/host_tensor.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "lockflight/plan/rank_sums.h"
#include "lockflight/plan/timeline.h"
#include "lockflight/plan/unroll.h"

namespace lockflight {

/// The rows of one step.  The outermost extent of every tensor is the number of rows; micro-batch k
/// takes the k-th run of rows.
struct Batch {
  std::vector<HostTensor> inputs;
  std::vector<HostTensor> targets;
};

struct StepResult {
  float loss = 0;                         ///< mean over the micro-batches
  std::vector<float> micro_batch_losses;  ///< each the mean over its micro-batch
};

/// What one rank's host thread needs to enqueue work of its own.
struct RankContext {
  int rank = 0;
  int ranks = 1;
  Device& device;
  Stream& stream;  ///< the compute stream, but where something else is said
  Transport& transport;
  std::size_t step = 0;  ///< of the steps of one call, the number of this one
};

/// What an optimizer enqueues on every rank, called in the order of the program, each on
/// context.stream.
struct UpdateWork {
  std::function<void(RankContext&)> gradient_norm;  ///< from gradients to their common norm
  std::function<void(RankContext&)> update;         ///< from gradients to new parameters

  // Where the plan has the optimizer in the schedule, in place of gradient_norm (see
  // plan::OptimizerPlace); the tensors are those that `sums` names.
  std::function<void(RankContext&)> gradient_sums;  ///< from the rank's gradients to sums.known
  std::function<void(RankContext&)> add_sums;       ///< sums.known += sums.received
  std::function<void(RankContext&)> read_sums;      ///< has the host read sums.all
  std::function<void(RankContext&)> validate;       ///< puts right what `update` did before that
  std::function<plan::RankSums(int rank)> sums;
  /// What the host has read says of the update: the same on every rank.
  std::function<plan::Verdict(const RankContext&)> verdict;
};

/// One step of several in a row.
struct StepInput {
  const Batch* batch = nullptr;  ///< must live until the call comes back
  double learning_rate = 0;
};

/// All parameters of a pipeline, wherever they live.  A view of the pipeline, which must outlive
/// it.
class ParameterSet {
 public:
  struct Entry {
    nn::Parameter* parameter = nullptr;
    int rank = 0;
    int tied_to = -1;  ///< the entry that this one is a copy of, which is none itself, or -1
  };

  /// In the model's order: the same for every partition.  Where the schedule holds two copies of
  /// the model, those of the second one follow.
  std::span<const Entry> entries() const { return entries_; }
  int ranks() const { return ranks_; }
  /// Whether the plan has the optimizer in the schedule.
  bool in_schedule() const { return in_schedule_; }

  /// Calls `work` on every rank's host thread, then waits for the devices.  Rethrows the first
  /// failure.
  void on_each_rank(const std::function<void(RankContext&)>& work) const { on_each_rank_(work); }

  /// Runs the program's update phase on every rank's host thread, with the optimizer's work where
  /// the program has it, then waits for the devices.  Rethrows the first failure.
  void update(const UpdateWork& work) const { update_(work); }

  /// Forwards, backwards and updates of several steps.  Where the optimizer is in the schedule no
  /// barrier stands between them: while the sums of squares travel, ranks run the first forwards of
  /// the next step, and a rank's host waits for nothing but those sums, once a step; if an update
  /// is amended, those forwards run again.  Ends early, with the step whose update is refused.
  /// Returns what the steps gave, that one included; does not count steps.
  /// Throws as Pipeline::forward_backward does.
  std::vector<StepResult> train(std::span<const StepInput> steps, const UpdateWork& work) const {
    return train_(steps, work);
  }

  /// Counts the pipeline's step up: an optimizer has updated all parameters.
  void count_step() const { ++*step_; }

 private:
  friend class Pipeline;
  std::vector<Entry> entries_;
  int ranks_ = 1;
  bool in_schedule_ = false;
  std::function<void(const std::function<void(RankContext&)>&)> on_each_rank_;
  std::function<void(const UpdateWork&)> update_;
  std::function<std::vector<StepResult>(std::span<const StepInput>, const UpdateWork&)> train_;
  std::uint32_t* step_ = nullptr;
};

struct PipelineOptions {
  std::uint64_t seed = 1;  ///< of initial values and dropout
  bool timeline = true;    ///< measure every action
  /// false: runs a program that is not proved; it may then wait until its world's deadline, or give
  /// any result.
  bool proved = true;
  /// Captures the forwards and backwards of the second step into a CUDA graph on every rank, and
  /// launches that in every later one: the same bits with less work for the hosts.  The optimizer's
  /// update stays outside.  Needs GPUs, NCCL between ranks, the optimizer after the step, no
  /// timeline, and no layer that draws random numbers.
  bool cuda_graph = false;
};

/// One thread per rank enqueues that rank's program whole and never waits inside a step, but for
/// the one wait of ParameterSet::train.  After a failure on any rank, every call throws.  Calls
/// come from one thread.
class Pipeline {
 public:
  /// Takes the model over and gives every stage's parameters memory and initial values on its rank.
  /// Waits. Throws InvalidArgument if the plan is for another number of ranks, or if a CUDA graph
  /// is asked for where a step cannot be captured, or if the schedule holds two copies of the model
  /// and nn::Model::again makes none; PlanError if its program is not proved, or if it
  /// was made for another model.
  Pipeline(World& world, nn::Model model, const Plan& plan, const PipelineOptions& options = {});
  ~Pipeline();
  Pipeline(Pipeline&&) noexcept;

  /// One step's forwards and backwards: adds to every parameter's gradient and returns the losses.
  /// Waits. Throws InvalidArgument if the batch has other shapes than the plan; otherwise what
  /// failed first on any rank, with rank and action in front: "rank 2, action 17 (2B5): ...".
  StepResult forward_backward(const Batch& batch);

  /// The mean loss over the micro-batches, each of the plan's rows, however many the batch has.  No
  /// gradients, no dropout. Waits.
  float evaluate(const Batch& batch);

  /// What the last layer returns for any number of rows, taken as one micro-batch.  No gradients,
  /// no dropout.  Waits.
  std::vector<HostTensor> forward(const std::vector<HostTensor>& inputs);

  const ParameterSet& parameters() const;
  const nn::Model& model() const;
  const Plan& plan() const;

  /// Steps done, which is part of dropout's random key; an optimizer counts it up after its update.
  std::uint32_t step() const;
  void set_step(std::uint32_t step);

  /// One parameter's values, f32, by its number in parameters().entries().  Waits.
  std::vector<float> read_back(std::size_t entry) const;
  /// Sets one parameter's values (a tied copy is set with it).  Waits.  Throws InvalidArgument if
  /// the size differs.
  void write(std::size_t entry, std::span<const float> values);

  /// A 64-bit hash of all parameters' bytes in the model's order, tied pairs once: independent of
  /// the partition.  Waits.
  std::uint64_t weights_hash() const;

  /// Of the last forward_backward, or of all steps of the last call that trained several in a row.
  const Timeline& timeline() const;
  /// What the tensors of the last forward_backward, evaluate or forward, launches of a graph apart,
  /// took of a rank's block.
  MemoryUse step_memory(int rank) const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockflight
