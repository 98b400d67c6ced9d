// The product itself: d = op(a) op(b) + beta c + bias, by columns, every sum in f32 and in
// ascending order.

#pragma once

#include "virtual_gpu/cublasLt/descriptors.h"

namespace virtual_gpu::blas {

struct Operand {
  const void* data = nullptr;
  Layout layout;
};

struct Problem {
  Description description;
  Operand a, b, c, d;
  float alpha = 1;
  float beta = 0;
};

void multiply(const Problem& problem);

}  // namespace virtual_gpu::blas
