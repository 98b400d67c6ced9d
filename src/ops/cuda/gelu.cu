#include "ops/cuda/block.cuh"
#include "ops/cuda/columns.cuh"
#include "ops/cuda/elements.cuh"
#include "ops/cuda/gelu.h"
#include "ops/cuda/reduce.h"

// gelu(x) = x (1 + tanh u) / 2 with u = sqrt(2 / pi) (x + 0.044715 x^3), and (1 + tanh u) / 2 is
// the logistic function of 2 u: gelu(x) = x / (1 + e^z) with z = -2 u = x (kLinear + kCubic x^2).
// That keeps its relative accuracy for very negative x.
//
// N rows of C columns.  Reference: tests/ops/gelu_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

constexpr float kLinear = -1.595769122F;   // -2 sqrt(2 / pi)
constexpr float kCubic = -0.07135481283F;  // the same times 0.044715

__device__ inline float logistic_of_2u(float x) {
  return 1.0F / (1.0F + expf(x * fmaf(kCubic * x, x, kLinear)));
}

__device__ inline float gelu_of(float x) { return x * logistic_of_2u(x); }

// With s the logistic function of 2 u: gelu'(x) = s + x s (1 - s) d(2 u)/dx.
__device__ inline float gelu_slope_of(float x) {
  const float s = logistic_of_2u(x);
  const float slope = fmaf(-3.0F * kCubic * x, x, -kLinear);
  return fmaf(x * slope, fmaf(-s, s, s), s);
}

//   y, x [count]; y may be x
template <typename T>
__global__ void gelu(T* y, const T* x, std::int64_t count) {
  for_each_element(
      count, [&](std::int64_t i) { y[i] = static_cast<T>(gelu_of(static_cast<float>(x[i]))); });
}

//   dx, dy, x [count]; dx may be dy
template <typename T>
__global__ void gelu_backward(T* dx, const T* dy, const T* x, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) {
    dx[i] = static_cast<T>(static_cast<float>(dy[i]) * gelu_slope_of(static_cast<float>(x[i])));
  });
}

// One block for each row.
//   y, x [N, C]; bias [C]; y may be x
template <typename T>
__global__ void bias_gelu(T* y, const T* x, const float* bias, std::int64_t C) {
  const std::int64_t at = blockIdx.x * C;
  for_each_column(C, [&](std::int64_t j) {
    y[at + j] = static_cast<T>(gelu_of(static_cast<float>(x[at + j]) + bias[j]));
  });
}

// The sums are of what is in f32, before it is rounded to dx.
//   dx, dy, x [N, C]; partials [blocks, C]; bias [C]; dx may be dy
template <typename T>
__global__ void bias_gelu_backward(T* dx, float* partials, const T* dy, const T* x,
                                   const float* bias, std::int64_t N, std::int64_t C,
                                   std::int64_t rows_per_block) {
  sum_rows<1>(partials, N, C, rows_per_block, [&](std::int64_t i, std::int64_t j, float* sums) {
    const float slope = gelu_slope_of(static_cast<float>(x[i * C + j]) + bias[j]);
    const float gradient = static_cast<float>(dy[i * C + j]) * slope;
    dx[i * C + j] = static_cast<T>(gradient);
    sums[0] += gradient;
  });
}

}  // namespace kernels

void gelu(Queue& queue, const TensorView& y, const TensorView& x) {
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::gelu<T>>(queue, element_shape(x.elements()), y.as<T>(), x.as<T>(),
                             x.elements());
  });
}

void gelu_backward(Queue& queue, const TensorView& dx, const TensorView& dy, const TensorView& x) {
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::gelu_backward<T>>(queue, element_shape(x.elements()), dx.as<T>(), dy.as<T>(),
                                      x.as<T>(), x.elements());
  });
}

void bias_gelu(Queue& queue, const TensorView& y, const TensorView& x, const TensorView& bias) {
  const std::int64_t C = x.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::bias_gelu<T>>(queue, row_shape(x.shape().rows(), C), y.as<T>(), x.as<T>(),
                                  bias.as<float>(), C);
  });
}

void bias_gelu_backward(Queue& queue, const TensorView& dx, const TensorView& dbias,
                        const TensorView& dy, const TensorView& x, const TensorView& bias) {
  const std::int64_t N = x.shape().rows();
  const std::int64_t C = x.shape().columns();
  const RowCut cut(N, C, 1);
  float* partials = cut.partials_in(queue, 1);
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::bias_gelu_backward<T>>(queue, cut.shape(), dx.as<T>(), partials, dy.as<T>(),
                                           x.as<T>(), bias.as<float>(), N, C, cut.rows_per_block);
  });
  add_partials(queue, dbias.as<float>(), partials, cut.blocks, C);
}

}  // namespace lockflight::ops::cuda
