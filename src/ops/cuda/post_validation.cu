#include "ops/cuda/elements.cuh"
#include "ops/cuda/post_validation.h"

// Reference: tests/ops/post_validation_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

//   sums, more [count]
__global__ void add_sums(double* sums, const double* more, std::int64_t count) {
  for_each_element(count, [&](std::int64_t i) { sums[i] += more[i]; });
}

// One thread: the order of the sums is part of the contract.
//   scale []; sums [n]
__global__ void eager_scale(float* scale, const double* sums, std::int64_t n, double max_norm) {
  double total = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    total += sums[i];
  }
  const double norm = sqrt(total);
  *scale = norm < HUGE_VAL && norm <= max_norm ? 1.0F : NAN;
}

// One thread.
//   undo, redo, used, scale []; redo may be scale
__global__ void amend_scale(float* undo, float* redo, const float* used, const float* scale) {
  const float was = *used;
  const float should_be = *scale;
  const bool right = was == should_be;
  *undo = !right && was == 1.0F ? 1.0F : 0.0F;
  *redo = right ? NAN : should_be;
}

//   y, x [count]; undo []
__global__ void restore(float* y, const float* x, const float* undo, std::int64_t count) {
  if (*undo != 0.0F) {
    for_each_element(count, [&](std::int64_t i) { y[i] = x[i]; });
  }
}

}  // namespace kernels

void add_sums(Queue& queue, const TensorView& sums, const TensorView& more) {
  launch<kernels::add_sums>(queue, element_shape(sums.elements()), sums.as<double>(),
                            more.as<double>(), sums.elements());
}

void eager_scale(Queue& queue, const TensorView& scale, const TensorView& sums, double max_norm) {
  launch<kernels::eager_scale>(queue, {.blocks = 1, .threads = 1}, scale.as<float>(),
                               sums.as<double>(), sums.elements(), max_norm);
}

void amend_scale(Queue& queue, const TensorView& undo, const TensorView& redo,
                 const TensorView& used, const TensorView& scale) {
  launch<kernels::amend_scale>(queue, {.blocks = 1, .threads = 1}, undo.as<float>(),
                               redo.as<float>(), used.as<float>(), scale.as<float>());
}

void restore(Queue& queue, const TensorView& y, const TensorView& x, const TensorView& undo) {
  launch<kernels::restore>(queue, element_shape(x.elements()), y.as<float>(), x.as<float>(),
                           undo.as<float>(), x.elements());
}

}  // namespace lockflight::ops::cuda
