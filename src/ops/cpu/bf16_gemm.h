// One product of bf16 matrices on the calling thread.

#pragma once

#include <cstdint>

#include "ops/cpu/sgemm.h"
#include "ops/cpu/tile.h"

namespace lockflight::ops::cpu {

/// As Operand.
struct Bf16Operand {
  const BFloat16* data;
  std::int64_t stride;
  bool transposed = false;
};

/// Where a product goes: [m, n], of f32 or bf16.
struct ProductResult {
  Values values;
  std::int64_t at;      ///< of element (0, 0) in `values`
  std::int64_t stride;  ///< from row to row
  bool accumulate;      ///< add to what is there instead of overwriting it
};

/// C = A B + bias, or C += …, summed up in f32 and rounded once.
///   A      [m, k]
///   B      [k, n]
///   bias   [n], added to every row, or null
/// By oneDNN where it has such products: on processors with AVX-512.  Elsewhere A and B are
/// widened. Throws DeviceError if oneDNN fails.
void bf16_gemm(ProductShape shape, Bf16Operand a, Bf16Operand b, const float* bias,
               const ProductResult& c);

/// Whether this machine has instructions for it.
bool multiplies_bf16();

}  // namespace lockflight::ops::cpu
