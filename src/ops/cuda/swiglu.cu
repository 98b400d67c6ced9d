#include "ops/cuda/block.cuh"
#include "ops/cuda/swiglu.h"

// N rows of F gates and F values of up.  Reference: tests/ops/swiglu_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

__device__ inline float logistic(float x) { return 1.0F / (1.0F + expf(-x)); }

// One block for each row.
//   y [N, F]; x [N, 2, F]
template <typename T>
__global__ void swiglu(T* y, const T* x, std::int64_t F) {
  const std::int64_t row = blockIdx.x;
  const T* gates = x + row * 2 * F;
  const T* ups = gates + F;
  for_each_column(F, [&](std::int64_t j) {
    const float gate = static_cast<float>(gates[j]);
    y[row * F + j] = static_cast<T>(gate * logistic(gate) * static_cast<float>(ups[j]));
  });
}

// One block for each row.  With s the logistic function of g: silu'(g) = s + g s (1 - s).
//   dx, x [N, 2, F]; dy [N, F]; dx may be x
template <typename T>
__global__ void swiglu_backward(T* dx, const T* dy, const T* x, std::int64_t F) {
  const std::int64_t row = blockIdx.x;
  const T* gates = x + row * 2 * F;
  const T* ups = gates + F;
  T* dgates = dx + row * 2 * F;
  T* dups = dgates + F;
  for_each_column(F, [&](std::int64_t j) {
    const float gate = static_cast<float>(gates[j]);
    const float up = static_cast<float>(ups[j]);
    const float gradient = static_cast<float>(dy[row * F + j]);
    const float s = logistic(gate);
    const float slope = fmaf(gate, fmaf(-s, s, s), s);
    dgates[j] = static_cast<T>(gradient * up * slope);
    dups[j] = static_cast<T>(gradient * gate * s);
  });
}

}  // namespace kernels

void swiglu(Queue& queue, const TensorView& y, const TensorView& x) {
  const std::int64_t F = y.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::swiglu<T>>(queue, row_shape(y.shape().rows(), F), y.as<T>(), x.as<T>(), F);
  });
}

void swiglu_backward(Queue& queue, const TensorView& dx, const TensorView& dy,
                     const TensorView& x) {
  const std::int64_t F = dy.shape().columns();
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::swiglu_backward<T>>(queue, row_shape(dy.shape().rows(), F), dx.as<T>(),
                                        dy.as<T>(), x.as<T>(), F);
  });
}

}  // namespace lockflight::ops::cuda
