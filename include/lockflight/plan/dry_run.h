// What a model does to shapes, found by running its forward on the meta device.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/core/tensor_spec.h"
#include "lockflight/nn/model.h"

namespace lockflight::plan {

struct LayerProfile {
  std::vector<TensorSpec> outputs;  ///< for one micro-batch
  double forward_flops = 0;
  std::int64_t parameters = 0;
};

/// One micro-batch of `rows` rows through all layers.  Computes nothing and takes no memory. Throws
/// InvalidArgument, naming the layer, if shapes do not fit.
std::vector<LayerProfile> dry_run(nn::Model& model, std::int64_t rows);

/// A row's spec with the number of rows in front: [T] becomes [rows, T].
TensorSpec with_rows(const TensorSpec& row, std::int64_t rows);

}  // namespace lockflight::plan
