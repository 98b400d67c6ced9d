// Kernels on the elements of tensors, each on its own.

#pragma once

#include "ops/cuda/launch.cuh"

namespace lockflight::ops::cuda {

constexpr int kElementThreads = 256;
constexpr int kElementsPerThread = 4;

/// For a kernel that calls for_each_element.
inline LaunchShape element_shape(std::int64_t count) {
  return {.blocks = blocks_for(count, kElementThreads * kElementsPerThread),
          .threads = kElementThreads};
}

/// Calls body(i) for those of the elements 0 … count - 1 that are this thread's: some, a block's
/// width apart, so that their accesses are under way together and a warp's lie side by side.
template <typename Body>
__device__ void for_each_element(std::int64_t count, const Body& body) {
  const std::int64_t first =
      static_cast<std::int64_t>(blockIdx.x) * (kElementThreads * kElementsPerThread) + threadIdx.x;
#pragma unroll
  for (int k = 0; k < kElementsPerThread; ++k) {
    const std::int64_t i = first + k * kElementThreads;
    if (i < count) {
      body(i);
    }
  }
}

}  // namespace lockflight::ops::cuda
