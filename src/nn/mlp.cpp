#include "lockflight/nn/mlp.h"

#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "lockflight/nn/gelu.h"
#include "lockflight/nn/linear.h"
#include "lockflight/nn/mean_squared_error.h"
#include "lockflight/nn/sequential.h"
#include "nn/parts.h"

namespace lockflight::nn {

Model mlp(const MlpConfig& config) {
  check_positive("mlp", {{"inputs", config.inputs},
                         {"hidden", config.hidden},
                         {"outputs", config.outputs},
                         {"layers", config.layers}});
  check_activations("mlp", config.dtype);
  Model model(
      {.inputs = {{{config.inputs}, config.dtype}}, .targets = {{{config.outputs}, config.dtype}}},
      std::make_unique<MeanSquaredError>());
  for (std::int64_t i = 0; i < config.layers; ++i) {
    const bool last = i + 1 == config.layers;
    const std::int64_t inputs = i == 0 ? config.inputs : config.hidden;
    auto layer = std::make_unique<Sequential>();
    layer->add("linear", std::make_unique<Linear>(LinearConfig{
                             .inputs = inputs,
                             .outputs = last ? config.outputs : config.hidden,
                             .dtype = config.dtype,
                             .weight = uniform(1 / std::sqrt(static_cast<double>(inputs)))}));
    if (!last) {
      layer->add("gelu", std::make_unique<Gelu>());
    }
    model.add(fmt::format("layers.{}", i), std::move(layer));
  }
  model.made_by([config] { return mlp(config); });
  return model;
}

}  // namespace lockflight::nn
