#include "ops/cuda/clip_scale.h"
#include "ops/cuda/launch.cuh"

// Reference: tests/ops/clip_scale_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// One thread: there is a sum for each parameter, and their order is part of the contract.
//   scale []; sums [n]
__global__ void clip_scale(float* scale, const double* sums, std::int64_t n, double max_norm) {
  double total = 0.0;
  for (std::int64_t i = 0; i < n; ++i) {
    total += sums[i];
  }
  const double norm = sqrt(total);
  if (!(norm < HUGE_VAL)) {
    *scale = NAN;
  } else {
    *scale = norm > max_norm ? static_cast<float>(max_norm / norm) : 1.0F;
  }
}

}  // namespace kernels

void clip_scale(Queue& queue, const TensorView& scale, const TensorView& sums, double max_norm) {
  launch<kernels::clip_scale>(queue, {.blocks = 1, .threads = 1}, scale.as<float>(),
                              sums.as<double>(), sums.elements(), max_norm);
}

}  // namespace lockflight::ops::cuda
