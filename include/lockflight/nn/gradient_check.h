// Whether a layer's backward functions are the derivatives of its forward function.

#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

struct GradientCheckOptions {
  std::uint64_t seed = 1;    ///< of inputs, parameters, the projection and the choice of elements
  std::int64_t probes = 32;  ///< elements of each tensor that are looked at one by one
  std::int64_t integers_below = 2;  ///< i32 inputs are drawn from 0 … integers_below - 1
  double tolerance = 1e-3;          ///< largest relative error that is all right
};

struct GradientError {
  std::string tensor;  ///< "input 0", or a parameter's name
  double error = 0;    ///< largest difference found, relative to the largest derivative found
};

struct GradientCheckResult {
  std::vector<GradientError> errors;
  /// A sentence for each thing that is wrong; empty if all is right.
  std::vector<std::string> findings;
};

/// Runs `layer` on random inputs of the given specs (f32 or i32, outermost extent the rows of a
/// micro-batch) and random parameters, and compares the gradients of L = sum w·y, for random w,
/// with central differences of fourth order,
///
///   dL/de = (8 (L(+h) - L(-h)) - (L(+2h) - L(-2h))) / 12 h + O(h^4),
///
/// along single elements e and along one random direction of each whole tensor.  L is computed in
/// f32 and summed in f64.  Checks besides
///   - that shapes of gradients fit and i32 inputs have none;
///   - that backward_weight adds to what is there, and that a second run adds the same again;
///   - that micro-batches may be interleaved in any order, with backward_weight last, without
///     changing a bit;
///   - that no function writes into its inputs, the parameters or their neighbourhood, and only
///     backward_weight into the gradients;
///   - that nothing is read before it is written.
///
/// The layer must be smooth near the inputs.  Its parameters are materialised for the check alone.
/// Waits for the device.  Throws InvalidArgument if that is no CPU device, or for an input of
/// another type: differences would drown in the rounding of bf16, so check a layer in f32.
GradientCheckResult gradient_check(Device& device, Layer& layer,
                                   const std::vector<TensorSpec>& inputs,
                                   const GradientCheckOptions& options = {});

}  // namespace lockflight::nn
