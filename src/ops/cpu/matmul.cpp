#include "ops/cpu/matmul.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/matmul.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/sgemm.h"
#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void add_bias(float* c, const float* bias, std::int64_t stride, MatrixShape shape) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    float* c_row = c + row * stride;
    for_each_vector(shape.columns, [&](std::int64_t j, auto part) HWY_ATTR {
      store(load(c_row + j, part) + load(bias + j, part), c_row + j, part);
    });
  }
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(add_bias);

// One piece of a product. Measured at 512 rows and widths of 256 to 1536: as fast as no cutting.
constexpr std::int64_t kPieceRows = 128;
constexpr std::int64_t kPieceColumns = 384;

// oneDNN reads a transposed right operand about 8 % slower; from this many rows on, transposing it
// first costs less.
constexpr std::int64_t kRowsWorthTransposing = 128;

// Four floats in the vector notation that gcc and clang share; both turn it into what there is.
using Quad = float __attribute__((vector_size(16)));

Quad load_quad(const float* from) {
  Quad quad;
  std::memcpy(&quad, from, sizeof(quad));
  return quad;
}

void store_quad(Quad quad, float* to) { std::memcpy(to, &quad, sizeof(quad)); }

void transpose_quads(float* to, std::int64_t to_stride, const float* from,
                     std::int64_t from_stride) {
  const Quad r0 = load_quad(from);
  const Quad r1 = load_quad(from + from_stride);
  const Quad r2 = load_quad(from + 2 * from_stride);
  const Quad r3 = load_quad(from + 3 * from_stride);
  const Quad low01 = __builtin_shufflevector(r0, r1, 0, 4, 1, 5);
  const Quad low23 = __builtin_shufflevector(r2, r3, 0, 4, 1, 5);
  const Quad high01 = __builtin_shufflevector(r0, r1, 2, 6, 3, 7);
  const Quad high23 = __builtin_shufflevector(r2, r3, 2, 6, 3, 7);
  store_quad(__builtin_shufflevector(low01, low23, 0, 1, 4, 5), to);
  store_quad(__builtin_shufflevector(low01, low23, 2, 3, 6, 7), to + to_stride);
  store_quad(__builtin_shufflevector(high01, high23, 0, 1, 4, 5), to + 2 * to_stride);
  store_quad(__builtin_shufflevector(high01, high23, 2, 3, 6, 7), to + 3 * to_stride);
}

// to[j][i] = from[i][j] for the rows begin … end - 1 of `from`, sixteen at a time, so that a line
// of `to` is completed while it is in the cache.
void transpose_rows(float* to, const float* from, MatrixShape shape, std::int64_t begin,
                    std::int64_t end) {
  const auto [rows, columns] = shape;
  constexpr std::int64_t kStrip = 16;
  for (std::int64_t strip = begin; strip < end; strip += kStrip) {
    const std::int64_t strip_end = std::min(end, strip + kStrip);
    const std::int64_t whole_rows = strip + (strip_end - strip) / 4 * 4;
    const std::int64_t whole_columns = columns / 4 * 4;
    for (std::int64_t j = 0; j < whole_columns; j += 4) {
      for (std::int64_t i = strip; i < whole_rows; i += 4) {
        transpose_quads(to + j * rows + i, rows, from + i * columns + j, columns);
      }
    }
    for (std::int64_t i = strip; i < strip_end; ++i) {
      for (std::int64_t j = i < whole_rows ? whole_columns : 0; j < columns; ++j) {
        to[j * rows + i] = from[i * columns + j];
      }
    }
  }
}

void transpose(Team& team, float* to, const float* from, MatrixShape shape) {
  for_each_piece(team, shape.rows, 64, [&](std::int64_t begin, std::int64_t end) {
    transpose_rows(to, from, shape, begin, end);
  });
}

}  // namespace

void matmul(Team& team, float* c, const float* a, const float* b, const float* bias,
            MatmulShape shape, float beta) {
  const auto [m, n, k, transpose_a, transpose_b] = shape;
  Operand left{a, transpose_a ? m : k, transpose_a};
  Operand right{b, transpose_b ? k : n, transpose_b};
  if (transpose_b && m >= kRowsWorthTransposing) {
    float* straight = thread_scratch(n * k).data();
    transpose(team, straight, b, {.rows = n, .columns = k});
    right = {straight, n, false};
  }
  const std::int64_t across = ceil_divide(n, kPieceColumns);
  team.parallel_for(ceil_divide(m, kPieceRows) * across, [&](std::int64_t piece) {
    const std::int64_t row = piece / across * kPieceRows;
    const std::int64_t column = piece % across * kPieceColumns;
    const MatrixShape part{.rows = std::min(kPieceRows, m - row),
                           .columns = std::min(kPieceColumns, n - column)};
    Operand rows_of_a = left;
    rows_of_a.data += row * (left.transposed ? 1 : left.stride);
    Operand columns_of_b = right;
    columns_of_b.data += column * (right.transposed ? right.stride : 1);
    float* c_part = c + row * n + column;
    sgemm({.m = part.rows, .n = part.columns, .k = k}, 1.0F, rows_of_a, columns_of_b, beta, c_part,
          n);
    if (bias != nullptr) {
      HWY_DYNAMIC_DISPATCH(add_bias)(c_part, bias + column, n, part);
    }
  });
}

}  // namespace lockflight::ops::cpu
#endif
