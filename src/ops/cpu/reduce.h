// Sums, in an order that depends on shapes alone.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// sums += the column sums of x.   x [N, C], sums [C]
void column_sum(Team& team, float* sums, ConstValues x, MatrixShape shape);

/// The mean of x, added up in f64.
float mean(Team& team, const float* x, std::int64_t count);

/// The sum of x[i]^2, in f64.
double sum_of_squares(Team& team, const float* x, std::int64_t count);

/// to[i] += from[i] on the calling thread.
void accumulate(float* to, const float* from, std::int64_t count);

/// The pattern behind every gradient of a bias or gain: cuts the rows into at most 64 blocks, has
/// sum_rows(partial, begin, end) add each block's rows to its own zeroed `partial` [width], some
/// rows after the other, then calls add(partial) on the calling thread for one block after another,
/// ascending.
///   shape   of what is summed, which may be wider or narrower than its sums
template <class SumRows, class Add>
void sum_over_rows(Team& team, MatrixShape shape, std::int64_t width, const SumRows& sum_rows,
                   const Add& add) {
  constexpr std::int64_t kMostBlocks = 64;
  constexpr std::int64_t kFewestRows = 64;
  const std::int64_t rows = shape.rows;
  const std::int64_t block = std::max(kFewestRows, ceil_divide(rows, kMostBlocks));
  const std::int64_t step = rows_per_piece(shape);
  float* partials = thread_scratch(ceil_divide(rows, block) * width).data();
  for_each_piece(team, rows, block, [&](std::int64_t begin, std::int64_t end) {
    float* partial = partials + begin / block * width;
    std::fill_n(partial, width, 0.0F);
    for (std::int64_t row = begin; row < end; row += step) {
      sum_rows(partial, row, std::min(end, row + step));
    }
  });
  for (std::int64_t begin = 0; begin < rows; begin += block) {
    add(partials + begin / block * width);
  }
}

/// Adds up sum_piece(begin, end), in f64, over pieces of kElementsPerPiece in ascending order.
template <class SumPiece>
double sum_over_pieces(Team& team, std::int64_t count, const SumPiece& sum_piece) {
  static_assert(sizeof(double) == 2 * sizeof(float));
  const std::int64_t pieces = ceil_divide(count, kElementsPerPiece);
  std::span<float> scratch = thread_scratch(2 * pieces);
  const auto sums = std::span(reinterpret_cast<double*>(scratch.data()), scratch.size() / 2);
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    sums[static_cast<std::size_t>(begin / kElementsPerPiece)] = sum_piece(begin, end);
  });
  double total = 0.0;
  for (const double sum : sums) {
    total += sum;
  }
  return total;
}

}  // namespace lockflight::ops::cpu
