// What is behind cuBLASLt's opaque pointers here.

#pragma once

#include <cstddef>
#include <cstdint>

#include <cublasLt.h>

namespace virtual_gpu::blas {

struct Handle {
  int device;
};

struct Description {
  cublasComputeType_t compute = CUBLAS_COMPUTE_32F;
  cudaDataType_t scale = CUDA_R_32F;
  cublasOperation_t a = CUBLAS_OP_N;
  cublasOperation_t b = CUBLAS_OP_N;
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  const void* bias = nullptr;
  cudaDataType_t bias_type = CUDA_R_32F;
  bool bias_type_given = false;
};

/// A matrix by columns: column j begins `j * leading` elements after the first.
struct Layout {
  cudaDataType_t type = CUDA_R_32F;
  std::uint64_t rows = 0;
  std::uint64_t columns = 0;
  std::int64_t leading = 0;

  std::size_t element_bytes() const { return type == CUDA_R_32F ? 4 : 2; }
};

struct Preference {
  std::uint64_t workspace_bytes = 0;
  std::uint32_t alignment[4] = {256, 256, 256, 256};  ///< of a, b, c, d
};

/// What an algorithm is for, within cublasLtMatmulAlgo_t.
struct Algorithm {
  static constexpr std::uint64_t kMagic = 0x6c6f636b666c7431;
  std::uint64_t magic = 0;
  std::uint64_t problem = 0;  ///< a hash of description and layouts
  std::uint64_t workspace_bytes = 0;
  std::uint32_t alignment[4] = {};
};
static_assert(sizeof(Algorithm) <= sizeof(cublasLtMatmulAlgo_t));

}  // namespace virtual_gpu::blas
