// Layer normalisation over rows. Source: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), eq. 4.

#pragma once

#include "ops/cpu/kernel.h"

namespace lockflight::ops::cpu {

/// y = (x - mean) * rstd * gain + bias, rstd = 1 / sqrt(variance + epsilon).
///   x, y         [N, C]; y may be x
///   mean, rstd   [N], written
///   gain, bias   [C]
void layer_norm(Team& team, Values y, float* mean, float* rstd, ConstValues x, const float* gain,
                const float* bias, MatrixShape shape, float epsilon);

/// dx from dy.  dx may be dy.
void layer_norm_backward_input(Team& team, Values dx, ConstValues dy, ConstValues x,
                               const float* mean, const float* rstd, const float* gain,
                               MatrixShape shape);

/// Adds the gradients of gain and bias, both [C], to dgain and dbias.
void layer_norm_backward_weight(Team& team, float* dgain, float* dbias, ConstValues dy,
                                ConstValues x, const float* mean, const float* rstd,
                                MatrixShape shape);

}  // namespace lockflight::ops::cpu
