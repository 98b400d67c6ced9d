// Sums of what lies in two places, for transports.

#pragma once

#include "device/cuda/queue.h"
#include "lockflight/device/tensor.h"

namespace lockflight::cuda {

/// sum += values, element by element; both f32 or both f64, of the same number of elements.
/// Enqueued; does not wait.
void add(Queue& queue, const TensorView& sum, const TensorView& values);

}  // namespace lockflight::cuda
