// What a model's layers do and keep, found by running them on the meta device.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "lockflight/core/tensor_spec.h"
#include "lockflight/nn/model.h"

namespace lockflight::plan {

/// Launches of one operation that are alike.
struct LaunchedOperation {
  std::string name;
  std::int64_t launches = 0;
  double flops = 0;          ///< of each launch; a multiply-add counts as two
  double bytes_moved = 0;    ///< of each launch: read plus written
  DType dtype = DType::f32;  ///< of activations

  friend bool operator==(const LaunchedOperation&, const LaunchedOperation&) = default;
};

/// In the order of their first launch.
using LaunchedOperations = std::vector<LaunchedOperation>;

/// Of all launches together.
double flops_of(const LaunchedOperations& operations);

/// What one layer by itself takes of memory for one micro-batch, every tensor counted as
/// `aligned_bytes`.  It alone owns its input and its output's gradient; so a tensor that a layer
/// returns and keeps counts with it and, where the next layer keeps its input, there again.  The
/// exact bytes of a whole stage are those of the step's rehearsal.
struct LayerMemory {
  std::size_t parameter_bytes = 0;  ///< the values and their working copies
  std::size_t gradient_bytes = 0;   ///< the gradients; an optimizer's state takes as much again
  std::size_t saved_after_forward_bytes = 0;
  std::size_t saved_after_input_gradient_bytes = 0;
  /// The most in use during each function: input, output, temporary and saved tensors.
  std::size_t forward_peak_bytes = 0;
  std::size_t input_gradient_peak_bytes = 0;
  std::size_t weight_gradient_peak_bytes = 0;

  friend bool operator==(const LayerMemory&, const LayerMemory&) = default;
};

/// One layer on one micro-batch.  The loss is part of the last layer.
struct LayerProfile {
  std::string name;
  std::int64_t parameters = 0;
  std::vector<TensorSpec> outputs;  ///< what it hands on
  LaunchedOperations forward;
  LaunchedOperations input_gradient;
  LaunchedOperations weight_gradient;
  LayerMemory memory;
};

/// F, I and W of every layer on one micro-batch of `rows` rows; without `backward` F alone.
/// Computes nothing and takes no memory.  Throws InvalidArgument, naming the layer, if shapes do
/// not fit.
std::vector<LayerProfile> dry_run(nn::Model& model, std::int64_t rows, bool backward = true);

/// A row's spec with the number of rows in front: [T] becomes [rows, T].
TensorSpec with_rows(const TensorSpec& row, std::int64_t rows);

/// Whether a tensor that a layer returns has a gradient: integers (tokens passed along) have none.
inline bool has_gradient(const TensorSpec& spec) { return spec.dtype != DType::i32; }

}  // namespace lockflight::plan
