// Parameters without memory, for dry runs.

#pragma once

#include <vector>

#include "lockflight/nn/model.h"

namespace lockflight::plan {

/// Gives those parameters of a model that have no memory shapes on a meta device, for as long as it
/// lives.
class Materialized {
 public:
  Materialized(nn::Model& model, Device& meta, Stream& stream) : parameters_(model.parameters()) {
    std::erase_if(parameters_, [](const nn::Parameter* p) { return p->materialized(); });
    for (nn::Parameter* parameter : parameters_) {
      parameter->materialize(meta, stream, 0);
    }
  }
  ~Materialized() {
    for (nn::Parameter* parameter : parameters_) {
      parameter->dematerialize();
    }
  }
  Materialized(const Materialized&) = delete;
  Materialized& operator=(const Materialized&) = delete;

 private:
  std::vector<nn::Parameter*> parameters_;
};

}  // namespace lockflight::plan
