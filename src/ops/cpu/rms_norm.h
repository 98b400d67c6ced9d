// Root mean square normalisation over rows.
// Source: Zhang, Sennrich 2019 (arXiv:1910.07467), eq. 4.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y = x * rstd * gain, rstd = 1 / sqrt(mean(x^2) + epsilon).
///   x, y   [N, C]; y may be x
///   rstd   [N], written
///   gain   [C]
void rms_norm(Team& team, Values y, float* rstd, ConstValues x, const float* gain,
              MatrixShape shape, float epsilon);

/// dx from dy.  dx may be dy.
void rms_norm_backward_input(Team& team, Values dx, ConstValues dy, ConstValues x,
                             const float* rstd, const float* gain, MatrixShape shape);

/// Adds the gradient of gain [C] to dgain.
void rms_norm_backward_weight(Team& team, float* dgain, ConstValues dy, ConstValues x,
                              const float* rstd, MatrixShape shape);

}  // namespace lockflight::ops::cpu
