// Layers of a model that run their forward again before their backward.

#pragma once

#include <cstddef>
#include <vector>

#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"

namespace lockflight::plan {

/// Has the marked layers of a model recomputed for as long as it lives.
class Recomputing {
 public:
  Recomputing(nn::Model& model, const std::vector<bool>& layers);
  ~Recomputing();
  Recomputing(const Recomputing&) = delete;
  Recomputing& operator=(const Recomputing&) = delete;

 private:
  nn::Model& model_;
  std::vector<std::size_t> layers_;
};

/// Marks the layers that the plan's stages recompute.  Throws PlanError, naming stage and layer, if
/// the model has another layer there.
std::vector<bool> recomputed_layers(const nn::Model& model, const std::vector<StagePlan>& stages);

}  // namespace lockflight::plan
