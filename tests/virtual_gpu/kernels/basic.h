// Kernels without a fault.  All are enqueued; none waits.

#pragma once

#include <cstdint>

#include <cuda_runtime_api.h>

namespace virtual_gpu_test {

/// y = value.  y [n]
cudaError_t fill(cudaStream_t stream, float* y, float value, int n);
/// y += a * x.  x, y [n]
cudaError_t axpy(cudaStream_t stream, float* y, const float* x, float a, int n);
/// y = a * x in bf16.  x, y [n], as the bits of bf16.
cudaError_t scale_bf16(cudaStream_t stream, std::uint16_t* y, const std::uint16_t* x, float a,
                       int n);
/// Sums of rows, by shuffles and shared memory.  x [rows, columns], sums [rows]
cudaError_t sum_rows(cudaStream_t stream, float* sums, const float* x, int rows, int columns);
/// y = x', by tiles in shared memory.  x [rows, columns], y [columns, rows]
cudaError_t transpose(cudaStream_t stream, float* y, const float* x, int rows, int columns);
/// counts[x] += 1.  x [n], counts [bins]
cudaError_t count(cudaStream_t stream, int* counts, const int* x, int n);
/// Writes for each block and thread what it takes itself for.  y [blocks, threads]
cudaError_t positions(cudaStream_t stream, int* y, dim3 blocks, dim3 threads);
/// ballots[i] = which lanes of i's warp have an odd x.  x, ballots [n]
cudaError_t ballots(cudaStream_t stream, unsigned* ballots, const int* x, int n);

}  // namespace virtual_gpu_test
