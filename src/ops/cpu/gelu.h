// GELU in its tanh form, with the bias before it fused in.
// Source: Hendrycks, Gimpel 2016 (arXiv:1606.08415), section 2.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y = gelu(x + bias).   x, y [N, C], y may be x; bias [C] or null
void gelu(Team& team, float* y, const float* x, const float* bias, MatrixShape shape);

/// dx = dy * gelu'(x).   all [N, C]; dx may be dy
void gelu_backward(Team& team, float* dx, const float* dy, const float* x, MatrixShape shape);

/// dx = dy * gelu'(x + bias), and adds the column sums of dx to dbias [C].   dx may be dy
void bias_gelu_backward(Team& team, float* dx, float* dbias, const float* dy, const float* x,
                        const float* bias, MatrixShape shape);

}  // namespace lockflight::ops::cpu
