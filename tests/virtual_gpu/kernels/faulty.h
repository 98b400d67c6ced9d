// Kernels with a fault each, which `planted` puts in; without it they are right.  None waits.

#pragma once

#include <cuda_runtime_api.h>

namespace virtual_gpu_test {

/// y = x with neighbours swapped, by way of shared memory.  Planted: no barrier.  x, y [256]
cudaError_t swap_neighbours(cudaStream_t stream, bool planted, float* y, const float* x);
/// y = 1, read by all from one place, which one thread then overwrites.  Planted: it waits
/// for its warp only.  y [256]
cudaError_t read_and_overwrite(cudaStream_t stream, bool planted, float* y);
/// y = 1.  Planted: half of the threads wait at another __syncthreads.  y [64]
cudaError_t meet(cudaStream_t stream, bool planted, float* y);
/// y = 1.  Planted: a warp waits for a shuffle, the other one for __syncthreads.  y [64]
cudaError_t meet_or_shuffle(cudaStream_t stream, bool planted, float* y);
/// y = x.  Planted: one lane leaves before its warp shuffles.  x, y [32]
cudaError_t shuffle(cudaStream_t stream, bool planted, float* y, const float* x);
/// y = 1 by way of shared memory.  Planted: the last element of it is never written.  y [32]
cudaError_t through_shared(cudaStream_t stream, bool planted, float* y);
/// y = 1.  Planted: the tail is not cut off.  y [n]
cudaError_t fill_to_the_end(cudaStream_t stream, bool planted, float* y, int n);
/// y = x by memcpy.  Planted: one element too many.  x, y [n]
cudaError_t copy_at_once(cudaStream_t stream, bool planted, float* y, const float* x, int n);
/// y[i] = x[i + 1], the last one 0, four at a time.  Planted: reads four where they are not
/// aligned. x, y [32]
cudaError_t shift(cudaStream_t stream, bool planted, float* y, const float* x);
/// y[i] = x[i] + x[(i + 1) % n], in blocks of so many threads.  Planted: in place.  x, y [n]
cudaError_t add_next(cudaStream_t stream, bool planted, float* y, float* x, int n, int threads);
/// count += 1 by n threads.  Planted: not by an atomic.
cudaError_t increment(cudaStream_t stream, bool planted, int* count, int n);
/// Every thread whose x is negative says so; one of them is heard.  Planted: all write at once.
/// x [n], heard [2] in pinned memory: 1, and the position
cudaError_t complain(cudaStream_t stream, bool planted, int* heard, const float* x, int n);

}  // namespace virtual_gpu_test
