// Parameters that have memory for a while: for dry runs and for measuring.

#pragma once

#include <utility>
#include <vector>

#include "lockflight/nn/model.h"

namespace lockflight::plan {

/// Gives those parameters that have no memory a place on a device (on a meta device: shapes alone),
/// for as long as it lives.
class Materialized {
 public:
  Materialized(nn::Model& model, Device& device, Stream& stream)
      : Materialized(model.parameters(), device, stream) {}
  Materialized(std::vector<nn::Parameter*> parameters, Device& device, Stream& stream)
      : parameters_(std::move(parameters)) {
    std::erase_if(parameters_, [](const nn::Parameter* p) { return p->materialized(); });
    try {
      for (nn::Parameter* parameter : parameters_) {
        parameter->materialize(device, stream, 0);
      }
    } catch (...) {
      give_back();
      throw;
    }
  }
  ~Materialized() { give_back(); }
  Materialized(const Materialized&) = delete;
  Materialized& operator=(const Materialized&) = delete;

 private:
  void give_back() {
    for (nn::Parameter* parameter : parameters_) {
      parameter->dematerialize();
    }
  }

  std::vector<nn::Parameter*> parameters_;
};

}  // namespace lockflight::plan
