// Rotary position embedding, channel i paired with i + D/2.
// Source: Su et al. 2021 (arXiv:2104.09864), eq. 34.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

struct RopeShape {
  std::int64_t batch;       // B
  std::int64_t length;      // T
  std::int64_t columns;     // at least heads * head_width
  std::int64_t heads;       // that are rotated, the first ones of each row
  std::int64_t head_width;  // D, even
};

/// In place, for i < D/2 and the angle a = t base^(-2 i / D):
///   x[b, t, h, i], x[b, t, h, i + D/2] = (x cos a - x' sin a, x' cos a + x sin a)
/// where x' is the second of the two.
///   x   [B, T, columns]
void rope(Team& team, Values x, RopeShape shape, double base);

/// The same by -a.
void rope_backward(Team& team, Values dx, RopeShape shape, double base);

}  // namespace lockflight::ops::cpu
