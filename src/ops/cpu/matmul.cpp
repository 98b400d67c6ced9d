#include "ops/cpu/matmul.h"

#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/matmul.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/bf16_gemm.h"
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

// to[j][i] = from[i][j].  Sixteen rows at a time, so that a line of `to` is completed while it is
// in the cache.
void transpose(float* to, const float* from, MatrixShape shape) {
  const auto [rows, columns] = shape;
  constexpr std::int64_t kStrip = 16;
  constexpr std::int64_t kAhead = 128;
  const std::int64_t whole_columns = columns / 4 * 4;
  for (std::int64_t strip = 0; strip < rows; strip += kStrip) {
    const std::int64_t strip_end = std::min(rows, strip + kStrip);
    const std::int64_t whole_rows = strip + (strip_end - strip) / 4 * 4;
    for (std::int64_t j = 0; j < whole_columns; j += 4) {
      for (std::int64_t i = strip; i < whole_rows; i += 4) {
        // Sixteen streams are more than hardware prefetches; each of the four rows has its turn
        // once in a line of sixteen floats.
        __builtin_prefetch(from + (i + j / 4 % 4) * columns + j + kAhead);
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

// How a product is cut. Measured at 512 rows and widths of 256 to 1536: as fast as no cutting.
struct Cut {
  std::int64_t rows;
  std::int64_t columns;
};

constexpr Cut kPlainCut{.rows = 128, .columns = 384};

// oneDNN reads a transposed right operand some 8 % slower, so a piece of it is transposed first if
// there are enough rows to pay for that. Narrow and tall, so that what was transposed stays in the
// level-2 cache and serves many rows.
constexpr Cut kStraightenedCut{.rows = 512, .columns = 128};
constexpr std::int64_t kRowsWorthTransposing = 128;

// Calls body(row, column, part) for the parts of a [m, n] result, each of which begins there.
template <class Body>
void for_each_part(Team& team, MatmulShape shape, Cut cut, const Body& body) {
  const std::int64_t across = ceil_divide(shape.n, cut.columns);
  team.parallel_for(ceil_divide(shape.m, cut.rows) * across, [&](std::int64_t piece) {
    const std::int64_t row = piece / across * cut.rows;
    const std::int64_t column = piece % across * cut.columns;
    body(row, column,
         MatrixShape{.rows = std::min(cut.rows, shape.m - row),
                     .columns = std::min(cut.columns, shape.n - column)});
  });
}

void matmul_f32(Team& team, float* c, const float* a, const float* b, const float* bias,
                MatmulShape shape, bool accumulate) {
  const bool straighten = shape.transpose_b && shape.m >= kRowsWorthTransposing;
  const auto multiply = [&](std::int64_t row, std::int64_t column, MatrixShape part) {
    const auto [m, n, k, transpose_a, transpose_b] = shape;
    const Operand left = transpose_a ? Operand{a + row, m, true} : Operand{a + row * k, k};
    Operand right = transpose_b ? Operand{b + column * k, k, true} : Operand{b + column, n};
    if (straighten) {
      float* straight = thread_scratch(k * part.columns).data();
      transpose(straight, right.data, {.rows = part.columns, .columns = k});
      right = {straight, part.columns};
    }
    float* c_part = c + row * n + column;
    sgemm({.m = part.rows, .n = part.columns, .k = k}, 1.0F, left, right, accumulate ? 1.0F : 0.0F,
          c_part, n);
    if (bias != nullptr) {
      HWY_DYNAMIC_DISPATCH(add_bias)(c_part, bias + column, n, part);
    }
  };
  for_each_part(team, shape, straighten ? kStraightenedCut : kPlainCut, multiply);
}

void matmul_bf16(Team& team, Values c, const BFloat16* a, const BFloat16* b, const float* bias,
                 MatmulShape shape, bool accumulate) {
  for_each_part(
      team, shape, kPlainCut, [&](std::int64_t row, std::int64_t column, MatrixShape part) {
        const auto [m, n, k, transpose_a, transpose_b] = shape;
        bf16_gemm({.m = part.rows, .n = part.columns, .k = k},
                  transpose_a ? Bf16Operand{a + row, m, true} : Bf16Operand{a + row * k, k},
                  transpose_b ? Bf16Operand{b + column * k, k, true} : Bf16Operand{b + column, n},
                  bias == nullptr ? nullptr : bias + column,
                  {.values = c, .at = row * n + column, .stride = n, .accumulate = accumulate});
      });
}

}  // namespace

void matmul(Team& team, Values c, ConstValues a, ConstValues b, const float* bias,
            MatmulShape shape, bool accumulate) {
  if (a.is_f32()) {
    matmul_f32(team, c.f32(), a.f32(), b.f32(), bias, shape, accumulate);
  } else {
    matmul_bf16(team, c, a.bf16(), b.bf16(), bias, shape, accumulate);
  }
}

}  // namespace lockflight::ops::cpu
#endif
