#include "ops/cuda/columns.cuh"
#include "ops/cuda/elements.cuh"
#include "ops/cuda/pieces.cuh"
#include "ops/cuda/reduce.h"

// Reference: tests/ops/reduce_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

//   partials [blocks, C]; x [N, C]
template <typename T>
__global__ void column_sum(float* partials, const T* x, std::int64_t N, std::int64_t C,
                           std::int64_t rows_per_block) {
  sum_rows<1>(partials, N, C, rows_per_block, [&](std::int64_t i, std::int64_t j, float* sums) {
    sums[0] += static_cast<float>(x[i * C + j]);
  });
}

//   sums [C]; partials [blocks, C]
__global__ void add_partials(float* sums, const float* partials, std::int64_t blocks,
                             std::int64_t C) {
  for_each_element(C, [&](std::int64_t j) {
    float sum = sums[j];
    for (std::int64_t block = 0; block < blocks; ++block) {
      sum += partials[block * C + j];
    }
    sums[j] = sum;
  });
}

//   partials [pieces]; x [count]
template <typename T>
__global__ void sum(double* partials, const T* x, std::int64_t count,
                    std::int64_t elements_per_piece) {
  sum_piece(partials, count, elements_per_piece,
            [&](std::int64_t i) { return static_cast<double>(static_cast<float>(x[i])); });
}

//   partials [pieces]; x [count]
template <typename T>
__global__ void sum_of_squares(double* partials, const T* x, std::int64_t count,
                               std::int64_t elements_per_piece) {
  sum_piece(partials, count, elements_per_piece, [&](std::int64_t i) {
    const double value = static_cast<double>(static_cast<float>(x[i]));
    return value * value;
  });
}

// One block.
//   result [], f32 or f64; partials [pieces]
template <typename Result>
__global__ void finish_sum(Result* result, const double* partials, std::int64_t pieces,
                           double divisor) {
  double sum = 0.0;
  for (std::int64_t i = threadIdx.x; i < pieces; i += blockDim.x) {
    sum += partials[i];
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    *result = static_cast<Result>(sum / divisor);
  }
}

}  // namespace kernels

void column_sum(Queue& queue, const TensorView& sums, const TensorView& x) {
  const std::int64_t N = x.shape().rows();
  const std::int64_t C = x.shape().columns();
  const RowCut cut(N, C, 1);
  float* partials = cut.partials_in(queue, 1);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::column_sum<T>>(queue, cut.shape(), partials, x.as<T>(), N, C,
                                   cut.rows_per_block);
  });
  add_partials(queue, sums.as<float>(), partials, cut.blocks, C);
}

void add_partials(Queue& queue, float* sums, const float* partials, std::int64_t blocks,
                  std::int64_t columns) {
  launch<kernels::add_partials>(queue, element_shape(columns), sums, partials, blocks, columns);
}

void mean(Queue& queue, const TensorView& result, const TensorView& x) {
  const PieceCut cut(x.elements());
  double* partials = cut.partials_in(queue);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::sum<T>>(queue, cut.shape(), partials, x.as<T>(), x.elements(),
                            cut.elements_per_piece);
  });
  finish_mean(queue, result.as<float>(), partials, cut.pieces, static_cast<double>(x.elements()));
}

void finish_mean(Queue& queue, float* result, const double* partials, std::int64_t pieces,
                 double divisor) {
  launch<kernels::finish_sum<float>>(queue, {.blocks = 1, .threads = kMostRowThreads}, result,
                                     partials, pieces, divisor);
}

void sum_of_squares(Queue& queue, const TensorView& result, const TensorView& x) {
  const PieceCut cut(x.elements());
  double* partials = cut.partials_in(queue);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::sum_of_squares<T>>(queue, cut.shape(), partials, x.as<T>(), x.elements(),
                                       cut.elements_per_piece);
  });
  launch<kernels::finish_sum<double>>(queue, {.blocks = 1, .threads = kMostRowThreads},
                                      result.as<double>(), partials, cut.pieces, 1.0);
}

}  // namespace lockflight::ops::cuda
