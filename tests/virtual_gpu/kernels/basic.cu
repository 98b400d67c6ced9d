#include <cuda_bf16.h>

#include "virtual_gpu/kernels/basic.h"
#include "virtual_gpu/kernels/launch.cuh"

namespace virtual_gpu_test {
namespace kernels {

constexpr int kThreads = 128;
constexpr int kTile = 16;

__global__ void fill(float* y, float value, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) {
    y[i] = value;
  }
}

__global__ void axpy(float* __restrict__ y, const float* __restrict__ x, float a, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) {
    y[i] += a * x[i];
  }
}

template <typename T>
__global__ void scale(T* y, const T* x, float a, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) {
    y[i] = static_cast<T>(a * static_cast<float>(x[i]));
  }
}

__device__ inline float sum_of_warp(float value) {
  for (int lanes = 16; lanes > 0; lanes /= 2) {
    value += __shfl_xor_sync(0xffffffffU, value, lanes);
  }
  return value;
}

__global__ void sum_rows(float* sums, const float* x, int columns) {
  __shared__ float parts[kThreads / 32];
  const float* row = x + static_cast<std::size_t>(blockIdx.x) * columns;
  float value = 0;
  for (int i = static_cast<int>(threadIdx.x); i < columns; i += kThreads) {
    value += row[i];
  }
  value = sum_of_warp(value);
  if (threadIdx.x % 32 == 0) {
    parts[threadIdx.x / 32] = value;
  }
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int i = 1; i < kThreads / 32; ++i) {
      value += parts[i];
    }
    sums[blockIdx.x] = value;
  }
}

__global__ void transpose(float* y, const float* x, int rows, int columns) {
  __shared__ float tile[kTile][kTile + 1];
  const int row = static_cast<int>(blockIdx.y) * kTile + static_cast<int>(threadIdx.y);
  const int column = static_cast<int>(blockIdx.x) * kTile + static_cast<int>(threadIdx.x);
  if (row < rows && column < columns) {
    tile[threadIdx.y][threadIdx.x] = x[static_cast<std::size_t>(row) * columns + column];
  }
  __syncthreads();
  const int to_row = static_cast<int>(blockIdx.x) * kTile + static_cast<int>(threadIdx.y);
  const int to_column = static_cast<int>(blockIdx.y) * kTile + static_cast<int>(threadIdx.x);
  if (to_row < columns && to_column < rows) {
    y[static_cast<std::size_t>(to_row) * rows + to_column] = tile[threadIdx.x][threadIdx.y];
  }
}

__global__ void count(int* counts, const int* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (i < n) {
    atomicAdd(&counts[x[i]], 1);
  }
}

__global__ void positions(int* y) {
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  const unsigned i = block * blockDim.x * blockDim.y * blockDim.z + thread;
  y[i] = static_cast<int>(1000 * block + thread);
}

__global__ void ballots(unsigned* ballots, const int* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  const unsigned odd = __ballot_sync(0xffffffffU, i < n && x[i] % 2 != 0);
  if (i < n) {
    ballots[i] = odd;
  }
}

}  // namespace kernels

namespace {

unsigned blocks_for(int n) {
  return static_cast<unsigned>((n + kernels::kThreads - 1) / kernels::kThreads);
}

LaunchShape one_thread_each(int n) {
  return {.blocks = blocks_for(n), .threads = kernels::kThreads};
}

}  // namespace

cudaError_t fill(cudaStream_t stream, float* y, float value, int n) {
  return launch<kernels::fill>(stream, one_thread_each(n), y, value, n);
}

cudaError_t axpy(cudaStream_t stream, float* y, const float* x, float a, int n) {
  return launch<kernels::axpy>(stream, one_thread_each(n), y, x, a, n);
}

cudaError_t scale_bf16(cudaStream_t stream, std::uint16_t* y, const std::uint16_t* x, float a,
                       int n) {
  return launch<kernels::scale<__nv_bfloat16>>(stream, one_thread_each(n),
                                               reinterpret_cast<__nv_bfloat16*>(y),
                                               reinterpret_cast<const __nv_bfloat16*>(x), a, n);
}

cudaError_t sum_rows(cudaStream_t stream, float* sums, const float* x, int rows, int columns) {
  const LaunchShape shape{.blocks = static_cast<unsigned>(rows), .threads = kernels::kThreads};
  return launch<kernels::sum_rows>(stream, shape, sums, x, columns);
}

cudaError_t transpose(cudaStream_t stream, float* y, const float* x, int rows, int columns) {
  constexpr int kTile = kernels::kTile;
  const LaunchShape shape{.blocks = dim3((columns + kTile - 1) / kTile, (rows + kTile - 1) / kTile),
                          .threads = dim3(kTile, kTile)};
  return launch<kernels::transpose>(stream, shape, y, x, rows, columns);
}

cudaError_t count(cudaStream_t stream, int* counts, const int* x, int n) {
  return launch<kernels::count>(stream, one_thread_each(n), counts, x, n);
}

cudaError_t positions(cudaStream_t stream, int* y, dim3 blocks, dim3 threads) {
  return launch<kernels::positions>(stream, {.blocks = blocks, .threads = threads}, y);
}

cudaError_t ballots(cudaStream_t stream, unsigned* ballots, const int* x, int n) {
  return launch<kernels::ballots>(stream, one_thread_each(n), ballots, x, n);
}

}  // namespace virtual_gpu_test
