// What the threads of a block do together, above all on a row.

#pragma once

#include "ops/cuda/launch.cuh"

namespace lockflight::ops::cuda {

constexpr unsigned kAllLanes = 0xFFFFFFFFU;
constexpr int kMostRowThreads = 256;

struct Sum {
  template <typename T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
};

struct Max {
  __device__ float operator()(float a, float b) const { return fmaxf(a, b); }
};

/// Combines the values of a warp's lanes; the same bits for each of them.
template <typename Combine, typename T>
__device__ T warp_combine(T value) {
#pragma unroll
  for (int offset = kWarpSize / 2; offset > 0; offset /= 2) {
    value = Combine()(value, __shfl_xor_sync(kAllLanes, value, offset));
  }
  return value;
}

__device__ inline float warp_sum(float value) { return warp_combine<Sum>(value); }
__device__ inline float warp_max(float value) { return warp_combine<Max>(value); }

/// Combines the values of the threads of a block of whole warps, warp after warp; the same bits for
/// each thread.  Is a barrier.
template <typename Combine, typename T>
__device__ T block_combine(T value) {
  __shared__ T of_warp[kMostRowThreads / kWarpSize];
  value = warp_combine<Combine>(value);
  if (threadIdx.x % kWarpSize == 0) {
    of_warp[threadIdx.x / kWarpSize] = value;
  }
  __syncthreads();
  T of_block = of_warp[0];
  for (int warp = 1; warp < static_cast<int>(blockDim.x) / kWarpSize; ++warp) {
    of_block = Combine()(of_block, of_warp[warp]);
  }
  __syncthreads();  // before the next call writes there
  return of_block;
}

template <typename T>
__device__ T block_sum(T value) {
  return block_combine<Sum>(value);
}
__device__ inline float block_max(float value) { return block_combine<Max>(value); }

/// One block for each row: of about one thread for four columns, in whole warps.
inline LaunchShape row_shape(std::int64_t rows, std::int64_t columns) {
  const std::int64_t warps = ceil_divide(columns, 4 * kWarpSize);
  return {.blocks = blocks_for(rows, 1),
          .threads = static_cast<unsigned>(
              std::clamp<std::int64_t>(warps * kWarpSize, kWarpSize, kMostRowThreads))};
}

/// Calls body(j) for those of the columns 0 … columns - 1 that are this thread's.
template <typename Body>
__device__ void for_each_column(std::int64_t columns, const Body& body) {
  for (std::int64_t j = threadIdx.x; j < columns; j += blockDim.x) {
    body(j);
  }
}

}  // namespace lockflight::ops::cuda
