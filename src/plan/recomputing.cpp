#include "plan/recomputing.h"

#include <algorithm>
#include <memory>
#include <span>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/recompute.h"

namespace lockflight::plan {

Recomputing::Recomputing(nn::Model& model, const std::vector<bool>& layers) : model_(model) {
  for (std::size_t i = 0; i < layers.size(); ++i) {
    if (layers[i]) {
      auto& layer = model_.layers()[i].layer;
      layer = std::make_unique<nn::Recompute>(std::move(layer));
      layers_.push_back(i);
    }
  }
}

Recomputing::~Recomputing() {
  for (const std::size_t i : layers_) {
    auto& layer = model_.layers()[i].layer;
    layer = static_cast<nn::Recompute&>(*layer).take();
  }
}

std::vector<bool> recomputed_layers(const nn::Model& model, const std::vector<StagePlan>& stages) {
  std::vector<bool> recomputed(model.layers().size(), false);
  for (std::size_t s = 0; s < stages.size(); ++s) {
    const std::span<const nn::NamedLayer> layers =
        std::span(model.layers()).subspan(stages[s].first_layer, stages[s].layers);
    for (const std::string& name : stages[s].recomputed) {
      const auto found = std::ranges::find(layers, name, &nn::NamedLayer::name);
      if (found == layers.end()) {
        throw PlanError(
            fmt::format("the plan recomputes {} in stage {}, but the model has no such layer "
                        "there: make the plan anew with this model",
                        name, s));
      }
      recomputed[stages[s].first_layer + (found - layers.begin())] = true;
    }
  }
  return recomputed;
}

}  // namespace lockflight::plan
