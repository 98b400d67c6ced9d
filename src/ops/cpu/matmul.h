// Matrix products.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

struct MatmulShape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
  bool transpose_a = false;
  bool transpose_b = false;
};

/// c = op(a) op(b) + bias, or c += …; summed up in f32.
///   a     [m, k], or [k, m] if transpose_a
///   b     [k, n], or [n, k] if transpose_b; of the type of a
///   c     [m, n] of that type or f32
///   bias  [n], added to every row, or null
void matmul(Team& team, Values c, ConstValues a, ConstValues b, const float* bias,
            MatmulShape shape, bool accumulate);

}  // namespace lockflight::ops::cpu
