// Layers one after another, as one layer.

#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

/// y = f_n(… f_1(x)).  Any number of tensors may pass between the layers.
class Sequential final : public Layer {
 public:
  /// Appends a layer.  Its parameters' names get `name` in front.
  void add(const std::string& name, std::unique_ptr<Layer> layer);

  std::vector<Parameter*> parameters() override;
  Tensors forward_all(Context& context, Tensors inputs, Saved& saved) override;
  /// Throws InvalidArgument if a layer other than the first has no gradient for its input.
  Tensors backward_input_all(Context& context, Tensors output_gradients, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace lockflight::nn
