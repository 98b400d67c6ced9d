// What the CUDA rooms of the operations share.
//
// A launch function takes what its front door takes, which has checked it, and enqueues kernels on
// the queue; the queue's device is current.  These headers are plain C++: a build without CUDA
// reads them too.
//
// Activations are f32 or bf16, as their tensors say, and are computed on in f32; parameters,
// statistics, accumulated gradients and losses are f32.  Every sum has one order that depends on
// shapes alone.

#pragma once

#include <cstddef>
#include <cstdint>

#include "device/cuda/queue.h"
#include "lockflight/device/tensor.h"

namespace lockflight::ops::cuda {

using lockflight::cuda::Queue;

constexpr std::int64_t ceil_divide(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// The first `bytes` of the queue's workspace: what one operation writes there is there until the
/// next one on the same stream.  Throws DeviceError if it is smaller.
std::byte* workspace(const Queue& queue, std::size_t bytes);

}  // namespace lockflight::ops::cuda
