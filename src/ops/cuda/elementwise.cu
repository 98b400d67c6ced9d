#include "ops/cuda/elements.cuh"
#include "ops/cuda/elementwise.h"

// All arrays [count].  Reference: tests/ops/elementwise_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// z may be x or y
template <typename T>
__global__ void add(T* z, const T* x, const T* y, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) {
    z[i] = static_cast<T>(static_cast<float>(x[i]) + static_cast<float>(y[i]));
  });
}

template <typename Y, typename X>
__global__ void accumulate(Y* y, const X* x, float factor, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) {
    y[i] = static_cast<Y>(fmaf(static_cast<float>(x[i]), factor, static_cast<float>(y[i])));
  });
}

// y may be x
template <typename T>
__global__ void scale(T* y, const T* x, float factor, std::int64_t count) {
  for_each_element(
      count, [&](std::int64_t i) { y[i] = static_cast<T>(static_cast<float>(x[i]) * factor); });
}

template <typename Y, typename X>
__global__ void copy(Y* y, const X* x, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) { y[i] = static_cast<Y>(static_cast<float>(x[i])); });
}

template <typename T>
__global__ void fill(T* y, float value, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) { y[i] = static_cast<T>(value); });
}

}  // namespace kernels

void add(Queue& queue, const TensorView& z, const TensorView& x, const TensorView& y) {
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::add<T>>(queue, element_shape(x.elements()), z.as<T>(), x.as<T>(), y.as<T>(),
                            x.elements());
  });
}

void accumulate(Queue& queue, const TensorView& y, const TensorView& x, float factor) {
  for_element_type(y.dtype(), [&]<typename Y>(std::type_identity<Y>) {
    for_element_type(x.dtype(), [&]<typename X>(std::type_identity<X>) {
      launch<kernels::accumulate<Y, X>>(queue, element_shape(x.elements()), y.as<Y>(), x.as<X>(),
                                        factor, x.elements());
    });
  });
}

void scale(Queue& queue, const TensorView& y, const TensorView& x, float factor) {
  for_element_type(x.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::scale<T>>(queue, element_shape(x.elements()), y.as<T>(), x.as<T>(), factor,
                              x.elements());
  });
}

void copy(Queue& queue, const TensorView& y, const TensorView& x) {
  for_element_type(y.dtype(), [&]<typename Y>(std::type_identity<Y>) {
    for_element_type(x.dtype(), [&]<typename X>(std::type_identity<X>) {
      launch<kernels::copy<Y, X>>(queue, element_shape(x.elements()), y.as<Y>(), x.as<X>(),
                                  x.elements());
    });
  });
}

void fill(Queue& queue, const TensorView& y, float value) {
  for_element_type(y.dtype(), [&]<typename T>(std::type_identity<T>) {
    launch<kernels::fill<T>>(queue, element_shape(y.elements()), y.as<T>(), value, y.elements());
  });
}

}  // namespace lockflight::ops::cuda
