// Memory for time: a layer that keeps nothing but its input.
// Source: Chen, Xu, Zhang, Guestrin 2016, "Training Deep Nets with Sublinear Memory Cost"
// (arXiv:1604.06174).

#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// The layer, but of what forward keeps only the input is left; backward_input runs forward again,
/// once, unless `run_again` has, and what that keeps serves both backward functions; behind
/// backward_input there is just what the layer keeps for backward_weight.  All results have the
/// same bits, dropout's too.  Parameters are those of the layer, under the same names.
class Recompute final : public Layer {
 public:
  explicit Recompute(std::unique_ptr<Layer> layer) : layer_(std::move(layer)) {}

  std::vector<Parameter*> parameters() override { return layer_->parameters(); }
  Tensors forward_all(Context& context, Tensors inputs, Saved& saved) override;
  Tensors backward_input_all(Context& context, Tensors output_gradients, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

  /// Between forward and backward_input, with the same context: forward again, now.  A second time
  /// does nothing.
  void run_again(Context& context, Saved& saved);

  /// Gives the layer back; this one is of no use afterwards.
  std::unique_ptr<Layer> take() { return std::move(layer_); }

 private:
  std::unique_ptr<Layer> layer_;
};

}  // namespace lockflight::nn
