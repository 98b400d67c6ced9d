// One stage at work: its layers, and what they keep for the micro-batches under way.

#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "lockflight/nn/model.h"

namespace lockflight::plan {

/// What the last stage needs beyond its layers.
struct LossInputs {
  nn::Loss* loss;
  const std::vector<TensorView>& targets;
  float scale;
  TensorView value;  ///< f32 scalar
};

class Stage {
 public:
  /// `layers` are numbers first_layer … of the model and must outlive the stage.
  Stage(std::span<nn::NamedLayer> layers, int first_layer)
      : layers_(layers), first_layer_(first_layer) {}

  /// Makes room for micro-batches 0 … count - 1 and forgets what earlier steps left.
  void begin_step(int micro_batches);

  /// Enqueues F.  With a loss, returns nothing: the outputs go into the loss.  Without `keep`,
  /// nothing is kept for a backward.
  Tensors forward(nn::Context& context, Tensors inputs, const LossInputs* loss, bool keep);

  /// Enqueues R: the forward of the last layer that is recomputed, for what is kept then lies there
  /// for the shortest time.  Backward runs the others again, one at a time.  Throws PlanError if no
  /// layer is recomputed.
  void recompute(nn::Context& context);

  /// Enqueue I, W, or both in one, layer by layer.  `gradients` are those of the outputs, or
  /// nothing behind a loss.
  Tensors backward_input(nn::Context& context, Tensors gradients, nn::Loss* loss);
  void backward_weight(nn::Context& context);
  Tensors backward(nn::Context& context, Tensors gradients, nn::Loss* loss);

 private:
  struct Kept {
    std::vector<nn::Saved> layers;
    nn::Saved loss;
  };

  Kept& kept(const nn::Context& context) { return kept_[context.micro_batch]; }
  nn::Layer& enter(nn::Context& context, std::size_t layer) const;
  static Tensors loss_gradients(nn::Context& context, Tensors gradients, nn::Loss* loss,
                                Kept& kept);

  std::span<nn::NamedLayer> layers_;
  int first_layer_;
  std::vector<Kept> kept_;  // by micro-batch
};

}  // namespace lockflight::plan
