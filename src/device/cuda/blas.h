// Matrix products by cuBLASLt.

#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>

#include "device/cuda/cublaslt.h"
#include "device/cuda/queue.h"
#include "lockflight/core/dtype.h"

namespace lockflight::cuda {

/// c = op(a) op(b) + bias, or c += …; all row-major and dense.  What an algorithm depends on.
///   a      [m, k], or [k, m] if transpose_a    input
///   b      [k, n], or [n, k] if transpose_b    input
///   c      [m, n]                              output
///   bias   [n], added to every row             output
struct Product {
  std::int64_t m = 0;
  std::int64_t n = 0;
  std::int64_t k = 0;
  bool transpose_a = false;
  bool transpose_b = false;
  bool accumulate = false;
  bool biased = false;
  DType input = DType::f32;   ///< f32 or bf16
  DType output = DType::f32;  ///< f32 or bf16; sums are f32 in any case
  /// Of all addresses, in bytes; not taken from them one by one, so that the algorithm, and with it
  /// the bits, do not depend on where tensors happen to lie.
  std::uint32_t alignment = 16;
  std::size_t workspace_bytes = 0;

  friend auto operator<=>(const Product&, const Product&) = default;
};

struct ProductOperands {
  void* c;
  const void* a;
  const void* b;
  const void* bias = nullptr;
};

/// A device's handle of cuBLASLt, made at its first use, and the algorithms it chose.  Used by the
/// device's host thread alone, with the device current.
class Blas {
 public:
  Blas();
  Blas(const Blas&) = delete;
  Blas& operator=(const Blas&) = delete;
  ~Blas();

  /// Enqueues the product.  The algorithm is asked for once for each Product.  Throws DeviceError
  /// if cuBLASLt cannot be used or fails.
  void multiply(CUstream_st* stream, const Product& product, const ProductOperands& operands,
                std::byte* workspace);

 private:
  struct Prepared;

  cublasLtHandle_t handle();
  Prepared prepare(const Product& product);

  cublasLtHandle_t handle_ = nullptr;
  std::map<Product, Prepared> prepared_;
};

}  // namespace lockflight::cuda
