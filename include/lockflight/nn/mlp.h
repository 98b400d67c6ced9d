// A small perceptron, for experiments.

#pragma once

#include <cstdint>

#include "lockflight/nn/model.h"

namespace lockflight::nn {

struct MlpConfig {
  std::int64_t inputs = 0;
  std::int64_t hidden = 0;  ///< width between the layers
  std::int64_t outputs = 0;
  std::int64_t layers = 2;   ///< matrices; GELU between them
  DType dtype = DType::f32;  ///< of activations, f32 or bf16; parameters are f32
};

/// A row is [inputs] and a target of [outputs], both of `dtype`; the loss is MeanSquaredError.
/// Layers:
/// layers.0, layers.1, …, with parameters layers.0.linear.weight, layers.0.linear.bias, …
/// Weights are uniform in ±1 / sqrt(inputs of the matrix).
/// Throws InvalidArgument if the configuration cannot work.
Model mlp(const MlpConfig& config);

}  // namespace lockflight::nn
