#include "virtual_gpu/kernels/faulty.h"
#include "virtual_gpu/kernels/launch.cuh"

namespace virtual_gpu_test {
namespace kernels {

__global__ void swap_neighbours(bool planted, float* y, const float* x) {
  __shared__ float copy[256];
  const unsigned i = threadIdx.x;
  copy[i] = x[i];
  if (!planted) {
    __syncthreads();
  }
  y[i] = copy[i / 64 * 64 + (i + 32) % 64];
}

__global__ void read_and_overwrite(bool planted, float* y) {
  __shared__ float one;
  if (threadIdx.x == 0) {
    one = 1;
  }
  __syncthreads();
  y[threadIdx.x] = one;
  if (planted) {
    __syncwarp();
  } else {
    __syncthreads();
  }
  if (threadIdx.x == 0) {
    one = 2;
  }
}

__global__ void meet(bool planted, float* y) {
  if (planted && threadIdx.x >= 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = 1;
}

__global__ void meet_or_shuffle(bool planted, float* y) {
  float value = 1;
  if (!planted || threadIdx.x < 48) {
    value = __shfl_xor_sync(0xffffffffU, value, 1);
  }
  __syncthreads();
  y[threadIdx.x] = value;
}

__global__ void shuffle(bool planted, float* y, const float* x) {
  if (planted && threadIdx.x == 7) {
    return;
  }
  float value = x[threadIdx.x];
  value = __shfl_xor_sync(0xffffffffU, value, 1);
  y[threadIdx.x] = __shfl_xor_sync(0xffffffffU, value, 1);
}

__global__ void through_shared(bool planted, float* y) {
  __shared__ float copy[32];
  if (!planted || threadIdx.x < 31) {
    copy[threadIdx.x] = 1;
  }
  __syncthreads();
  y[threadIdx.x] = copy[threadIdx.x];
}

__global__ void fill_to_the_end(bool planted, float* y, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (planted || i < n) {
    y[i] = 1;
  }
}

__global__ void copy_at_once(bool planted, float* y, const float* x, int n) {
  memcpy(y, x, (planted ? n + 1 : n) * sizeof(float));
}

__global__ void shift(bool planted, float* y, const float* x) {
  const unsigned i = 4 * threadIdx.x;
  if (planted && i + 4 < 32) {
    *reinterpret_cast<float4*>(y + i) = *reinterpret_cast<const float4*>(x + i + 1);
    return;
  }
  for (unsigned k = i; k < i + 4; ++k) {
    y[k] = k < 31 ? x[k + 1] : 0;
  }
}

__global__ void add_next(bool planted, float* y, float* x, int n) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  (planted ? x : y)[i] = x[i] + x[(i + 1) % n];
}

__global__ void increment(bool planted, int* count) {
  if (planted) {
    ++*count;
  } else {
    atomicAdd(count, 1);
  }
}

__global__ void complain(bool planted, int* heard, const float* x) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  if (x[i] < 0 && (planted || atomicExch(&heard[0], 1) == 0)) {
    heard[1] = i;
  }
}

}  // namespace kernels

cudaError_t swap_neighbours(cudaStream_t stream, bool planted, float* y, const float* x) {
  return launch<kernels::swap_neighbours>(stream, {.blocks = 1, .threads = 256}, planted, y, x);
}

cudaError_t read_and_overwrite(cudaStream_t stream, bool planted, float* y) {
  return launch<kernels::read_and_overwrite>(stream, {.blocks = 1, .threads = 256}, planted, y);
}

cudaError_t meet(cudaStream_t stream, bool planted, float* y) {
  return launch<kernels::meet>(stream, {.blocks = 1, .threads = 64}, planted, y);
}

cudaError_t meet_or_shuffle(cudaStream_t stream, bool planted, float* y) {
  return launch<kernels::meet_or_shuffle>(stream, {.blocks = 1, .threads = 64}, planted, y);
}

cudaError_t shuffle(cudaStream_t stream, bool planted, float* y, const float* x) {
  return launch<kernels::shuffle>(stream, {.blocks = 1, .threads = 32}, planted, y, x);
}

cudaError_t through_shared(cudaStream_t stream, bool planted, float* y) {
  return launch<kernels::through_shared>(stream, {.blocks = 1, .threads = 32}, planted, y);
}

cudaError_t fill_to_the_end(cudaStream_t stream, bool planted, float* y, int n) {
  const LaunchShape shape{.blocks = static_cast<unsigned>((n + 63) / 64), .threads = 64};
  return launch<kernels::fill_to_the_end>(stream, shape, planted, y, n);
}

cudaError_t copy_at_once(cudaStream_t stream, bool planted, float* y, const float* x, int n) {
  return launch<kernels::copy_at_once>(stream, {.blocks = 1, .threads = 1}, planted, y, x, n);
}

cudaError_t shift(cudaStream_t stream, bool planted, float* y, const float* x) {
  return launch<kernels::shift>(stream, {.blocks = 1, .threads = 8}, planted, y, x);
}

cudaError_t add_next(cudaStream_t stream, bool planted, float* y, float* x, int n, int threads) {
  const LaunchShape shape{.blocks = static_cast<unsigned>(n / threads),
                          .threads = static_cast<unsigned>(threads)};
  return launch<kernels::add_next>(stream, shape, planted, y, x, n);
}

cudaError_t increment(cudaStream_t stream, bool planted, int* count, int n) {
  const LaunchShape shape{.blocks = static_cast<unsigned>(n / 64), .threads = 64};
  return launch<kernels::increment>(stream, shape, planted, count);
}

cudaError_t complain(cudaStream_t stream, bool planted, int* heard, const float* x, int n) {
  const LaunchShape shape{.blocks = static_cast<unsigned>(n / 64), .threads = 64};
  return launch<kernels::complain>(stream, shape, planted, heard, x);
}

}  // namespace virtual_gpu_test
