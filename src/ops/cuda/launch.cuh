// What the kernels of the operations share: shapes of launches and the choice of the element type.

#pragma once

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include <cuda_bf16.h>

#include "device/cuda/launch.cuh"
#include "lockflight/core/dtype.h"
#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

using lockflight::cuda::launch;
using lockflight::cuda::LaunchShape;

constexpr int kWarpSize = 32;

__host__ __device__ constexpr std::int64_t smaller(std::int64_t a, std::int64_t b) {
  return a < b ? a : b;
}

/// Blocks for `count` things of which each block does `per_block`.
constexpr unsigned blocks_for(std::int64_t count, std::int64_t per_block) {
  return static_cast<unsigned>(ceil_divide(count, per_block));
}

/// Calls body(std::type_identity<T>()) with the element type of an activation: float or
/// __nv_bfloat16.
template <typename Body>
void for_element_type(DType dtype, const Body& body) {
  if (dtype == DType::bf16) {
    body(std::type_identity<__nv_bfloat16>());
  } else {
    body(std::type_identity<float>());
  }
}

}  // namespace lockflight::ops::cuda
