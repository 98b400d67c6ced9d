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

/// c = op(a) op(b) + beta c + bias.
///   a     [m, k], or [k, m] if transpose_a
///   b     [k, n], or [n, k] if transpose_b
///   c     [m, n]; not read if beta is 0
///   bias  [n], added to every row, or null
void matmul(Team& team, float* c, const float* a, const float* b, const float* bias,
            MatmulShape shape, float beta);

}  // namespace lockflight::ops::cpu
