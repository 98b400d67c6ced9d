// GELU in its tanh form, with the bias before it fused in.
// Source: Hendrycks, Gimpel 2016 (arXiv:1606.08415), section 2.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y = gelu(x + bias).   x, y [N, C], y may be x; bias [C] or null
void gelu(Team& team, Values y, ConstValues x, const float* bias, MatrixShape shape);

/// dx = dy * gelu'(x).   all [N, C]; dx may be dy
void gelu_backward(Team& team, Values dx, ConstValues dy, ConstValues x, MatrixShape shape);

/// dx = dy * gelu'(x + bias), and adds the column sums of dx, before it is rounded, to dbias [C].
/// dx may be dy
void bias_gelu_backward(Team& team, Values dx, float* dbias, ConstValues dy, ConstValues x,
                        const float* bias, MatrixShape shape);

}  // namespace lockflight::ops::cpu
