// Sums over all elements, in f64.
//
// The elements are cut into pieces; a first kernel, which calls sum_piece, writes a partial sum for
// each; a second one, of a single block, adds them up.

#pragma once

#include "ops/cuda/block.cuh"

namespace lockflight::ops::cuda {

struct PieceCut {
  std::int64_t elements_per_piece;
  std::int64_t pieces;  // at least one, so that there is a sum of nothing

  explicit PieceCut(std::int64_t count) {
    constexpr std::int64_t kFewestElements = 16384;
    constexpr std::int64_t kMostPieces = 65536;
    elements_per_piece = std::max(kFewestElements, ceil_divide(count, kMostPieces));
    pieces = std::max<std::int64_t>(1, ceil_divide(count, elements_per_piece));
  }

  /// For a kernel that calls sum_piece.
  LaunchShape shape() const {
    return {.blocks = static_cast<unsigned>(pieces), .threads = kMostRowThreads};
  }
  double* partials_in(const Queue& queue) const {
    return reinterpret_cast<double*>(
        workspace(queue, static_cast<std::size_t>(pieces) * sizeof(double)));
  }
};

/// partials[piece] = the sum of term(i), in f64, over the elements i of this block's piece.
template <typename Term>
__device__ void sum_piece(double* partials, std::int64_t count, std::int64_t elements_per_piece,
                          const Term& term) {
  const std::int64_t begin = blockIdx.x * elements_per_piece;
  const std::int64_t end = smaller(count, begin + elements_per_piece);
  double sum = 0.0;
  for (std::int64_t i = begin + threadIdx.x; i < end; i += blockDim.x) {
    sum += term(i);
  }
  sum = block_sum(sum);
  if (threadIdx.x == 0) {
    partials[blockIdx.x] = sum;
  }
}

}  // namespace lockflight::ops::cuda
