// Layers: three functions, no automatic differentiation.
//
// A layer runs forward, then backward_input, then backward_weight, once each for every micro-batch,
// and several micro-batches may be under way at once; what the two backward functions need, forward
// keeps in `Saved`.  The functions enqueue operations and never wait.  They must be
// shape-deterministic: shapes of what they allocate and return depend on the shapes of the inputs
// alone.  What they compute depends on inputs, parameters and context alone, so that forward can be
// run again.  `gradient_check` tests all three.

#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/device/device.h"
#include "lockflight/nn/parameter.h"

namespace lockflight::nn {

/// Where a layer runs, and for which micro-batch of which step: the same in all its three
/// functions.
class Context {
 public:
  explicit Context(Stream& stream) : stream_(&stream) {}
  /// For the n-th layer inside this one: the same, with random numbers of its own.
  Context inner(std::size_t number) const;

  Stream& stream() const { return *stream_; }
  Device& device() const { return stream_->device(); }
  /// Memory for a tensor, not initialised.
  Tensor empty(const TensorSpec& spec) const { return device().empty(spec); }

  bool training = true;  ///< false: dropout does nothing
  std::uint64_t seed = 0;
  std::uint32_t step = 0;   ///< layers draw by random_key, so that it is known who depends on it
  std::uint32_t layer = 0;  ///< number of the layer in the whole model
  std::uint32_t micro_batch = 0;

  /// The key of random numbers drawn at `site` (0 … 255) of this layer: its first dropout, its
  /// second, …
  RandomKey random_key(std::uint32_t site) const {
    if (drawing_layer_ != nullptr) {
      *drawing_layer_ = layer;
    }
    return {.seed = seed, .step = step, .layer = layer | site << 24, .micro_batch = micro_batch};
  }

  /// *number becomes that of the layer whenever one asks for a random_key.
  void note_draws(std::optional<std::uint32_t>* number) { drawing_layer_ = number; }

 private:
  Stream* stream_;
  std::optional<std::uint32_t>* drawing_layer_ = nullptr;
};

/// What a layer keeps between its functions for one micro-batch.  Everything left is freed after
/// backward_weight.
class Saved {
 public:
  Saved() = default;
  Saved(Saved&&) noexcept = default;
  Saved& operator=(Saved&&) noexcept = default;
  Saved(const Saved&) = delete;
  Saved& operator=(const Saved&) = delete;
  ~Saved() = default;

  /// Keeps a tensor; returns its number (0, 1, …, in the order of the calls).
  std::size_t keep(Tensor tensor);
  /// The tensor with that number; stays kept.
  TensorView operator[](std::size_t number) const { return tensors_[number].view(); }
  /// How many were kept, given back ones included.
  std::size_t size() const { return tensors_.size(); }
  /// Gives the tensor back, to be passed on or freed early.
  Tensor take(std::size_t number) { return std::move(tensors_[number]); }
  /// What the n-th inner layer keeps; made at its first use.
  Saved& inner(std::size_t number);

 private:
  std::vector<Tensor> tensors_;
  std::deque<Saved> inner_;  // references stay valid as it grows
};

/// Override the functions on one tensor, or, where several tensors come in or go out, those on
/// `Tensors`.
///
/// Tensors that come in may have other owners: a layer writes into x or dy only as sole owner.
class Layer {
 public:
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  virtual ~Layer() = default;

  /// In a fixed order, which is the order of the model's parameters.
  virtual std::vector<Parameter*> parameters() { return {}; }

  /// y from x.
  virtual Tensor forward(Context& context, Tensor x, Saved& saved);
  /// dx from dy.  A layer whose input has no gradient (tokens) returns an empty tensor.
  virtual Tensor backward_input(Context& context, Tensor dy, Saved& saved);
  /// Adds to the gradients of the parameters.  Called after backward_input, possibly much later.
  virtual void backward_weight(Context& context, Saved& saved);

  /// The same for several tensors.  Gradients are those of the floating-point tensors only: what
  /// has none (tokens) has no entry.  By default: exactly one, through the functions above; throws
  /// InvalidArgument otherwise.
  virtual Tensors forward_all(Context& context, Tensors inputs, Saved& saved);
  virtual Tensors backward_input_all(Context& context, Tensors output_gradients, Saved& saved);
};

/// What is minimised.  Runs on the stage that holds the last layer.
class Loss {
 public:
  Loss() = default;
  Loss(const Loss&) = delete;
  Loss& operator=(const Loss&) = delete;
  virtual ~Loss() = default;

  /// Writes the mean loss of one micro-batch to `loss` (f32 scalar) and keeps what the gradient
  /// needs.
  ///   outputs   what the last layer returned
  ///   targets   the micro-batch's slice of Batch::targets
  ///   scale     what gradients are multiplied by: 1 / micro-batches.  Gradients of activations in
  ///             f16, unlike those in bf16, would need a factor more here against underflow, and
  ///             its reciprocal in the gradient_scale of ops::adamw and ops::sgd.
  virtual void forward(Context& context, Tensors outputs, const std::vector<TensorView>& targets,
                       float scale, const TensorView& loss, Saved& saved) = 0;
  /// The gradients of `scale` times the loss for the outputs.
  virtual Tensors backward(Context& context, Saved& saved) = 0;
};

}  // namespace lockflight::nn
