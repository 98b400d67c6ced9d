// Optimizers: from gradients to new weights, on the ranks that hold them.
//
//   every rank    sum of squares of each of its gradients, in f64
//   all ranks     the sums of all parameters, in the order of the model; hence the norm
//   every rank    clip, update, set gradients to zero: one pass over each parameter
//
// The norm and the update do not depend on the partition.  A tied pair counts once in the norm;
// both copies are updated by state of their own, which stays equal bit for bit.

#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/runtime/pipeline.h"

namespace lockflight::train {

struct AdamWOptions {
  float learning_rate = 1e-3F;
  float beta1 = 0.9F;
  float beta2 = 0.999F;
  float epsilon = 1e-8F;
  float weight_decay = 0.01F;  ///< decoupled; of matrices only: see nn::Parameter::decays
  float clip_norm = 0;         ///< largest norm of all gradients together; 0 clips nothing
};

struct SgdOptions {
  float learning_rate = 1e-2F;
  float momentum = 0;
  float weight_decay = 0;  ///< added to the gradient; of matrices only
  float clip_norm = 0;     ///< largest norm of all gradients together; 0 clips nothing
};

/// Made as AdamW or Sgd.  Moves; must not outlive the pipeline's world.  Calls come from the thread
/// that uses the pipeline.
class Optimizer {
 public:
  ~Optimizer();
  Optimizer(Optimizer&&) noexcept;

  /// Updates all parameters by their gradients, sets the gradients to zero and counts the
  /// pipeline's step up.  Waits.  Returns the norm of the gradients before clipping.
  /// Throws Error if that norm is not finite: weights, state and step are then as before, the
  /// gradients are zero, and training may go on with the next step.
  double step();

  /// Forwards, backwards and updates for several batches, each with its learning rate, to the same
  /// bits as Pipeline::forward_backward and step() for one after another.  Where the plan has the
  /// optimizer in the schedule, no barrier stands between the steps: see ParameterSet::train.
  /// The learning rate stays that of the last step.  Waits, then calls `done` for each step in
  /// order, with its losses and the norm of its gradients.
  /// Throws as these two do, after `done` for the steps before.
  void train(std::span<const StepInput> steps,
             const std::function<void(const StepResult&, double norm)>& done = {});

  float learning_rate() const;
  /// From the next step on.  Throws InvalidArgument if it is negative or not finite.
  void set_learning_rate(double rate);

  /// "adamw" or "sgd"
  std::string_view name() const;
  /// The options as JSON, the learning rate being that of now.
  std::string options() const;

  /// Updates done, which AdamW's bias correction counts; after a resume those before it too.
  std::int64_t updates() const;
  void set_updates(std::int64_t updates);

  /// A tensor that the optimizer keeps for a parameter: f32, of the parameter's shape.
  struct State {
    std::size_t entry = 0;  ///< the parameter's number in ParameterSet::entries()
    std::string name;       ///< "blocks.3.mlp.weight.exp_avg"
  };
  /// In the order of the model; of a tied pair that of the first copy.
  const std::vector<State>& states() const;
  /// The values of a state by its number in states().  Wait.  `write` sets a tied copy's with it
  /// and throws InvalidArgument if the size differs.
  std::vector<float> read_back(std::size_t state) const;
  void write(std::size_t state, std::span<const float> values);

 protected:
  class Impl;
  explicit Optimizer(std::unique_ptr<Impl> impl);

 private:
  std::unique_ptr<Impl> impl_;
};

/// State: "exp_avg" and "exp_avg_sq".
/// Source: Loshchilov, Hutter 2019 (arXiv:1711.05101), algorithm 2, with the decay multiplied by
/// the learning rate.
class AdamW final : public Optimizer {
 public:
  /// Waits.  Throws InvalidArgument if an option is out of its range.
  explicit AdamW(const ParameterSet& parameters, const AdamWOptions& options = {});
};

/// State: "momentum_buffer".
/// Source: Sutskever et al. 2013 (ICML), eq. 1 and 2, with the learning rate applied to the
/// velocity.
class Sgd final : public Optimizer {
 public:
  /// Waits.  Throws InvalidArgument if an option is out of its range.
  explicit Sgd(const ParameterSet& parameters, const SgdOptions& options = {});
};

}  // namespace lockflight::train
