#include "virtual_gpu/cublasLt/product.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <vector>

namespace virtual_gpu::blas {
namespace {

float load(const void* data, cudaDataType_t type, std::size_t i) {
  if (type == CUDA_R_32F) {
    return static_cast<const float*>(data)[i];
  }
  const std::uint32_t high = static_cast<const std::uint16_t*>(data)[i];
  return std::bit_cast<float>(high << 16);
}

// To the nearest, ties to even.
std::uint16_t to_bf16(float value) {
  const auto bits = std::bit_cast<std::uint32_t>(value);
  if (std::isnan(value)) {
    return static_cast<std::uint16_t>((bits >> 16) | 0x40U);
  }
  return static_cast<std::uint16_t>((bits + 0x7fffU + ((bits >> 16) & 1U)) >> 16);
}

void store(void* data, cudaDataType_t type, std::size_t i, float value) {
  if (type == CUDA_R_32F) {
    static_cast<float*>(data)[i] = value;
  } else {
    static_cast<std::uint16_t*>(data)[i] = to_bf16(value);
  }
}

// op(matrix) as f32, dense by columns.
std::vector<float> straightened(const Operand& operand, cublasOperation_t operation) {
  const auto [rows, columns] = std::pair(operand.layout.rows, operand.layout.columns);
  std::vector<float> dense(rows * columns);
  for (std::size_t j = 0; j < columns; ++j) {
    for (std::size_t i = 0; i < rows; ++i) {
      const std::size_t to = operation == CUBLAS_OP_N ? j * rows + i : i * columns + j;
      dense[to] = load(operand.data, operand.layout.type,
                       j * static_cast<std::size_t>(operand.layout.leading) + i);
    }
  }
  return dense;
}

}  // namespace

void multiply(const Problem& problem) {
  const Description& description = problem.description;
  const Layout& out = problem.d.layout;
  const std::size_t m = out.rows;
  const std::size_t k =
      description.a == CUBLAS_OP_N ? problem.a.layout.columns : problem.a.layout.rows;
  const std::vector<float> a = straightened(problem.a, description.a);
  const std::vector<float> b = straightened(problem.b, description.b);
  std::vector<float> sums(m);
  for (std::size_t j = 0; j < out.columns; ++j) {
    std::fill(sums.begin(), sums.end(), 0.0F);
    for (std::size_t l = 0; l < k; ++l) {
      const float factor = b[j * k + l];
      for (std::size_t i = 0; i < m; ++i) {
        sums[i] += a[l * m + i] * factor;
      }
    }
    for (std::size_t i = 0; i < m; ++i) {
      const std::size_t at = j * static_cast<std::size_t>(out.leading) + i;
      float value = problem.alpha * sums[i];
      if (problem.beta != 0) {
        value += problem.beta * load(problem.c.data, problem.c.layout.type, at);
      }
      if (description.bias != nullptr) {
        value += load(description.bias, description.bias_type, i);
      }
      store(const_cast<void*>(problem.d.data), out.type, at, value);
    }
  }
}

}  // namespace virtual_gpu::blas
