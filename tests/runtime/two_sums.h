// One rank that sums the gradients of the two halves of a step's micro-batches apart and adds the
// two: what two copies of a model are compared with.

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/ops/elementwise.h"

namespace lockflight::test {

/// A layer in place of another one, which it runs.
class TwoSums final : public nn::Layer {
 public:
  TwoSums(std::unique_ptr<nn::Layer> layer, int micro_batches)
      : layer_(std::move(layer)), micro_batches_(micro_batches) {}

  std::vector<nn::Parameter*> parameters() override { return layer_->parameters(); }
  Tensors forward_all(nn::Context& context, Tensors inputs, nn::Saved& saved) override {
    return layer_->forward_all(context, std::move(inputs), saved);
  }
  Tensors backward_input_all(nn::Context& context, Tensors gradients, nn::Saved& saved) override {
    return layer_->backward_input_all(context, std::move(gradients), saved);
  }
  void backward_weight(nn::Context& context, nn::Saved& saved) override {
    const auto micro_batch = static_cast<int>(context.micro_batch);
    Stream& stream = context.stream();
    if (micro_batch == micro_batches_ / 2) {
      for (const nn::Parameter* parameter : parameters()) {
        first_half_.push_back(context.empty(parameter->spec()));
        ops::copy(stream, first_half_.back(), parameter->grad());
        ops::fill(stream, parameter->grad(), 0.0F);
      }
    }
    layer_->backward_weight(context, saved);
    if (micro_batch + 1 == micro_batches_) {
      for (std::size_t i = 0; i < first_half_.size(); ++i) {
        const TensorView second_half = parameters()[i]->grad();
        ops::accumulate(stream, first_half_[i], second_half);
        ops::copy(stream, second_half, first_half_[i]);
      }
      first_half_.clear();
    }
  }

 private:
  std::unique_ptr<nn::Layer> layer_;
  int micro_batches_;
  Tensors first_half_;
};

/// For one rank that runs all micro-batches in ascending order.
inline void sum_in_halves(nn::Model& model, int micro_batches) {
  for (nn::NamedLayer& named : model.layers()) {
    named.layer = std::make_unique<TwoSums>(std::move(named.layer), micro_batches);
  }
}

}  // namespace lockflight::test
