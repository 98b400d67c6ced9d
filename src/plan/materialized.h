// Parameters without memory, for dry runs.

#pragma once

#include <vector>

#include "lockflight/nn/model.h"

namespace lockflight::plan {

/// Gives all parameters of a model shapes on a meta device for as long as it lives.
class Materialized {
 public:
  Materialized(nn::Model& model, Device& meta, Stream& stream) : parameters_(model.parameters()) {
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
