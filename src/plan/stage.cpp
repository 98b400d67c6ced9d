#include "plan/stage.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/recompute.h"

namespace lockflight::plan {

void Stage::begin_step(int micro_batches) {
  kept_.clear();
  kept_.resize(static_cast<std::size_t>(micro_batches));
}

nn::Layer& Stage::enter(nn::Context& context, std::size_t layer) const {
  context.layer = static_cast<std::uint32_t>(first_layer_) + static_cast<std::uint32_t>(layer);
  return *layers_[layer].layer;
}

Tensors Stage::forward(nn::Context& context, Tensors inputs, const LossInputs* loss, bool keep) {
  Kept scratch;
  Kept& kept = keep ? this->kept(context) : scratch;
  kept.layers.resize(layers_.size());
  Tensors tensors = std::move(inputs);
  for (std::size_t i = 0; i < layers_.size(); ++i) {
    tensors = enter(context, i).forward_all(context, std::move(tensors), kept.layers[i]);
    if (!keep) {
      kept.layers[i] = nn::Saved();
    }
  }
  if (loss != nullptr) {
    loss->loss->forward(context, std::move(tensors), loss->targets, loss->scale, loss->value,
                        kept.loss);
    tensors.clear();
  }
  return tensors;
}

void Stage::recompute(nn::Context& context) {
  for (std::size_t i = layers_.size(); i-- > 0;) {
    if (auto* const layer = dynamic_cast<nn::Recompute*>(&enter(context, i))) {
      return layer->run_again(context, kept(context).layers[i]);
    }
  }
  throw PlanError(
      fmt::format("the program recomputes for the stage of layers {} to {}, but none of them is "
                  "recomputed: make the plan anew with this model",
                  first_layer_, first_layer_ + static_cast<int>(layers_.size()) - 1));
}

Tensors Stage::loss_gradients(nn::Context& context, Tensors gradients, nn::Loss* loss, Kept& kept) {
  if (loss == nullptr) {
    return gradients;
  }
  gradients = loss->backward(context, kept.loss);
  kept.loss = nn::Saved();
  return gradients;
}

Tensors Stage::backward_input(nn::Context& context, Tensors gradients, nn::Loss* loss) {
  Kept& kept = this->kept(context);
  gradients = loss_gradients(context, std::move(gradients), loss, kept);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    gradients = enter(context, i).backward_input_all(context, std::move(gradients), kept.layers[i]);
  }
  return gradients;
}

void Stage::backward_weight(nn::Context& context) {
  Kept& kept = this->kept(context);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    enter(context, i).backward_weight(context, kept.layers[i]);
    kept.layers[i] = nn::Saved();
  }
}

// A layer's weights right after its input: what it keeps is still warm, and is freed soonest.
Tensors Stage::backward(nn::Context& context, Tensors gradients, nn::Loss* loss) {
  Kept& kept = this->kept(context);
  gradients = loss_gradients(context, std::move(gradients), loss, kept);
  for (std::size_t i = layers_.size(); i-- > 0;) {
    nn::Layer& layer = enter(context, i);
    gradients = layer.backward_input_all(context, std::move(gradients), kept.layers[i]);
    layer.backward_weight(context, kept.layers[i]);
    kept.layers[i] = nn::Saved();
  }
  return gradients;
}

}  // namespace lockflight::plan
