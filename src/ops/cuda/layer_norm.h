// Layer normalisation over rows on CUDA. Source: Ba, Kiros, Hinton 2016 (arXiv:1607.06450), eq. 4.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// y = (x - mean) * rstd * gain + bias, rstd = 1 / sqrt(variance + epsilon).
///   x, y         [N, C]   f32 or bf16; y may be x
///   mean, rstd   [N]      written
///   gain, bias   [C]
void layer_norm(Queue& queue, const TensorView& y, const TensorView& mean, const TensorView& rstd,
                const TensorView& x, const TensorView& gain, const TensorView& bias, float epsilon);

/// dx from dy.  dx may be dy.
void layer_norm_backward_input(Queue& queue, const TensorView& dx, const TensorView& dy,
                               const TensorView& x, const TensorView& mean, const TensorView& rstd,
                               const TensorView& gain);

/// Adds the gradients of gain and bias, both [C], to dgain and dbias.
void layer_norm_backward_weight(Queue& queue, const TensorView& dgain, const TensorView& dbias,
                                const TensorView& dy, const TensorView& x, const TensorView& mean,
                                const TensorView& rstd);

}  // namespace lockflight::ops::cuda
