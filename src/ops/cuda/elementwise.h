// Elementwise arithmetic on CUDA.  All tensors f32 or bf16, of the same shape.

#pragma once

#include "ops/cuda/kernel.h"

namespace lockflight::ops::cuda {

/// z = x + y.   one type; z may be x or y
void add(Queue& queue, const TensorView& z, const TensorView& x, const TensorView& y);

/// y += factor x.   y and x may differ in type
void accumulate(Queue& queue, const TensorView& y, const TensorView& x, float factor);

/// y = factor x.   one type; y may be x
void scale(Queue& queue, const TensorView& y, const TensorView& x, float factor);

/// y = x, rounded or widened where they differ in type.
void copy(Queue& queue, const TensorView& y, const TensorView& x);

/// y = value
void fill(Queue& queue, const TensorView& y, float value);

}  // namespace lockflight::ops::cuda
