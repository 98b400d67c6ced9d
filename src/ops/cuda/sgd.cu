#include "ops/cuda/elements.cuh"
#include "ops/cuda/sgd.h"

// Reference: tests/ops/sgd_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

//   weight, velocity, gradient [count]; gradient_scale []
__global__ void sgd(float* weight, float* velocity, float* gradient, const float* gradient_scale,
                    SgdStep step, std::int64_t count) {
  const float scale = *gradient_scale;
  const bool update = fabsf(scale) < INFINITY;
  for_each_element(count, [&](std::int64_t i) {
    if (update) {
      const float w = weight[i];
      const float g = fmaf(step.weight_decay, w, gradient[i] * scale);
      const float v = fmaf(step.momentum, velocity[i], g);
      velocity[i] = v;
      weight[i] = fmaf(-step.learning_rate, v, w);
    }
    if (step.zero_gradient) {
      gradient[i] = 0.0F;
    }
  });
}

}  // namespace kernels

void sgd(Queue& queue, const TensorView& weight, const TensorView& velocity,
         const TensorView& gradient, const TensorView& gradient_scale, const SgdStep& step) {
  launch<kernels::sgd>(queue, element_shape(weight.elements()), weight.as<float>(),
                       velocity.as<float>(), gradient.as<float>(), gradient_scale.as<float>(), step,
                       weight.elements());
}

}  // namespace lockflight::ops::cuda
