// Sums over the rows of a matrix: the pattern behind every gradient of a bias or gain.
//
// The rows are cut into blocks; a first kernel, which calls sum_rows, writes a row of partial sums
// for each block; add_partials in reduce.h adds them up.

#pragma once

#include "ops/cuda/launch.cuh"

namespace lockflight::ops::cuda {

constexpr int kColumnsPerBlock = kWarpSize;  // so that a warp's accesses lie side by side
constexpr int kRowLanes = 8;

/// How the rows of a matrix are cut for `sums` sums of each column.
struct RowCut {
  std::int64_t rows_per_block;
  std::int64_t blocks;
  std::int64_t columns;

  RowCut(std::int64_t rows, std::int64_t columns, std::int64_t sums) : columns(columns) {
    constexpr std::int64_t kFewestRows = 64;
    constexpr std::int64_t kMostBlocks = 64;
    constexpr std::int64_t kMostPartials = std::int64_t{4} << 20;
    const std::int64_t width = std::max<std::int64_t>(1, sums * columns);
    const std::int64_t most = std::clamp<std::int64_t>(kMostPartials / width, 1, kMostBlocks);
    rows_per_block = std::max(kFewestRows, ceil_divide(rows, most));
    blocks = ceil_divide(rows, rows_per_block);
  }

  /// For a kernel that calls sum_rows.
  LaunchShape shape() const {
    return {.blocks = dim3(blocks_for(columns, kColumnsPerBlock), static_cast<unsigned>(blocks)),
            .threads = dim3(kColumnsPerBlock, kRowLanes)};
  }
  /// Of one sum, in a row of partials for each block.
  std::int64_t partials() const { return blocks * columns; }
  /// [sums, blocks, columns] in the queue's workspace.
  float* partials_in(const Queue& queue, std::int64_t sums) const {
    const auto bytes = static_cast<std::size_t>(sums * partials()) * sizeof(float);
    return reinterpret_cast<float*>(workspace(queue, bytes));
  }
};

/// partials[s, block, j] = the sum over this block's rows i of what add_terms(i, j, sums) adds to
/// sums[s].  It is called once for each element.
///   partials   [kSums, blocks, columns]
template <int kSums, typename AddTerms>
__device__ void sum_rows(float* partials, std::int64_t rows, std::int64_t columns,
                         std::int64_t rows_per_block, const AddTerms& add_terms) {
  __shared__ float of_lane[kSums][kRowLanes][kColumnsPerBlock];
  const std::int64_t column =
      static_cast<std::int64_t>(blockIdx.x) * kColumnsPerBlock + threadIdx.x;
  const std::int64_t begin = blockIdx.y * rows_per_block;
  const std::int64_t end = smaller(rows, begin + rows_per_block);
  float sums[kSums] = {};
  if (column < columns) {
    for (std::int64_t row = begin + threadIdx.y; row < end; row += kRowLanes) {
      add_terms(row, column, sums);
    }
  }
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    of_lane[s][threadIdx.y][threadIdx.x] = sums[s];
  }
  __syncthreads();
  if (threadIdx.y != 0 || column >= columns) {
    return;
  }
#pragma unroll
  for (int s = 0; s < kSums; ++s) {
    float sum = of_lane[s][0][threadIdx.x];
    for (int lane = 1; lane < kRowLanes; ++lane) {
      sum += of_lane[s][lane][threadIdx.x];
    }
    partials[(s * static_cast<std::int64_t>(gridDim.y) + blockIdx.y) * columns + column] = sum;
  }
}

}  // namespace lockflight::ops::cuda
