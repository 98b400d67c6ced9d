// The gated unit SwiGLU. Source: Shazeer 2020 (arXiv:2002.05202), eq. 5, without its products.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y = silu(gate) * up, silu(g) = g / (1 + e^-g).
///   y   [N, F], of this `shape`
///   x   [N, 2, F]: gate, up
void swiglu(Team& team, Values y, ConstValues x, MatrixShape shape);

/// dx [N, 2, F] from dy [N, F], of this `shape`.  dx may be x.
void swiglu_backward(Team& team, Values dx, ConstValues dy, ConstValues x, MatrixShape shape);

}  // namespace lockflight::ops::cpu
