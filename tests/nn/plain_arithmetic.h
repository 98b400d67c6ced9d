// What layers compute, in double and with one loop for every index.

#pragma once

#include <cmath>
#include <cstddef>
#include <vector>

namespace lockflight::nn {

using Matrix = std::vector<double>;

inline Matrix as_double(const std::vector<float>& values) { return {values.begin(), values.end()}; }

/// rows x inner times inner x columns.
inline Matrix product(const Matrix& a, const Matrix& b, std::size_t inner, std::size_t columns) {
  const std::size_t rows = a.size() / inner;
  Matrix c(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t j = 0; j < columns; ++j) {
        c[i * columns + j] += a[i * inner + k] * b[k * columns + j];
      }
    }
  }
  return c;
}

/// Causal attention of one sequence; qkv [T, (H + 2 K) D].
inline Matrix attend(const Matrix& qkv, std::size_t C, std::size_t heads,
                     std::size_t key_value_heads) {
  const std::size_t D = C / heads;
  const std::size_t stride = C + 2 * key_value_heads * D;
  const std::size_t T = qkv.size() / stride;
  Matrix y(T * C);
  for (std::size_t h = 0; h < heads; ++h) {
    const std::size_t key = C + h / (heads / key_value_heads) * D;
    const std::size_t value = key + key_value_heads * D;
    for (std::size_t t = 0; t < T; ++t) {
      Matrix weight(t + 1);
      double sum = 0;
      for (std::size_t s = 0; s <= t; ++s) {
        double dot = 0;
        for (std::size_t d = 0; d < D; ++d) {
          dot += qkv[t * stride + h * D + d] * qkv[s * stride + key + d];
        }
        weight[s] = std::exp(dot / std::sqrt(static_cast<double>(D)));
        sum += weight[s];
      }
      for (std::size_t s = 0; s <= t; ++s) {
        for (std::size_t d = 0; d < D; ++d) {
          y[t * C + h * D + d] += weight[s] / sum * qkv[s * stride + value + d];
        }
      }
    }
  }
  return y;
}

/// Rows of length C divided by their root mean square, then multiplied by gain.
inline Matrix root_mean_square_normed(const Matrix& x, const Matrix& gain) {
  const std::size_t C = gain.size();
  Matrix y(x.size());
  for (std::size_t row = 0; row < x.size(); row += C) {
    double mean_square = 0;
    for (std::size_t j = 0; j < C; ++j) {
      mean_square += x[row + j] * x[row + j] / static_cast<double>(C);
    }
    for (std::size_t j = 0; j < C; ++j) {
      y[row + j] = x[row + j] / std::sqrt(mean_square + 1e-5) * gain[j];
    }
  }
  return y;
}

inline Matrix sum(const Matrix& a, const Matrix& b) {
  Matrix c = a;
  for (std::size_t i = 0; i < c.size(); ++i) {
    c[i] += b[i];
  }
  return c;
}

}  // namespace lockflight::nn
