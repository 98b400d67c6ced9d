// Sums on CUDA.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// sums [C] += the column sums of x [N, C].
void column_sum(Queue& queue, const TensorView& sums, const TensorView& x);

/// result [] = the mean of x, added up in f64.
void mean(Queue& queue, const TensorView& result, const TensorView& x);

/// result [] f64 = the sum of x[i]^2, in f64.
void sum_of_squares(Queue& queue, const TensorView& result, const TensorView& x);

/// sums [C] += the sums of the columns of partials [blocks, C], block after block: the second half
/// of every sum over rows (columns.cuh).
void add_partials(Queue& queue, float* sums, const float* partials, std::int64_t blocks,
                  std::int64_t columns);

/// *result = (the sum of partials [pieces]) / divisor: the second half of every mean (pieces.cuh).
void finish_mean(Queue& queue, float* result, const double* partials, std::int64_t pieces,
                 double divisor);

}  // namespace lockflight::ops::cuda
