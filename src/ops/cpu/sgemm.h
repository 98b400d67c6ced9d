// One single-precision product on the calling thread, by oneDNN.

#pragma once

#include <compare>
#include <cstdint>

namespace lockflight::ops::cpu {

/// A row-major matrix inside a larger one: element (i, j) of what is stored is at data[i * stride +
/// j]; `transposed` makes (i, j) of the operand (j, i) of what is stored.
struct Operand {
  const float* data;
  std::int64_t stride;
  bool transposed = false;
};

struct ProductShape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;

  friend auto operator<=>(const ProductShape&, const ProductShape&) = default;
};

/// oneDNN runs on OpenMP, whose thread count belongs to the thread that asks: every thread that
/// multiplies says, at its first call, that it works alone.
void use_one_thread();

/// C = alpha A B + beta C with A [m, k], B [k, n], C [m, n] of row stride c_stride.
/// Throws DeviceError if oneDNN fails.
void sgemm(ProductShape shape, float alpha, Operand a, Operand b, float beta, float* c,
           std::int64_t c_stride);

}  // namespace lockflight::ops::cpu
