#include <cmath>

#include "ops/cuda/adamw.h"
#include "ops/cuda/elements.cuh"

// Reference: tests/ops/adamw_test.cpp.

namespace lockflight::ops::cuda {
namespace kernels {

// What of a step is the same for all elements.
struct AdamWFactors {
  float step_size;
  float root_factor;
  float keep1;
  float keep2;
  float take1;
  float take2;
  float decay;
  float epsilon;
  bool zero_gradient;
};

//   weight, moment1, moment2, gradient [count]; gradient_scale []
__global__ void adamw(float* weight, float* moment1, float* moment2, float* gradient,
                      const float* gradient_scale, AdamWFactors factors, std::int64_t count) {
  const float scale = *gradient_scale;
  const bool update = fabsf(scale) < INFINITY;
  for_each_element(count, [&](std::int64_t i) {
    if (update) {
      const float g = gradient[i] * scale;
      const float m = fmaf(factors.keep1, moment1[i], factors.take1 * g);
      const float v = fmaf(factors.keep2, moment2[i], factors.take2 * g * g);
      const float root = fmaf(sqrtf(v), factors.root_factor, factors.epsilon);
      moment1[i] = m;
      moment2[i] = v;
      weight[i] = fmaf(-factors.step_size, m / root, weight[i] * factors.decay);
    }
    if (factors.zero_gradient) {
      gradient[i] = 0.0F;
    }
  });
}

}  // namespace kernels

void adamw(Queue& queue, const TensorView& weight, const TensorView& moment1,
           const TensorView& moment2, const TensorView& gradient, const TensorView& gradient_scale,
           const AdamWStep& step) {
  const auto updates = static_cast<double>(step.step);
  const double correction1 = 1.0 - std::pow(static_cast<double>(step.beta1), updates);
  const double correction2 = 1.0 - std::pow(static_cast<double>(step.beta2), updates);
  const kernels::AdamWFactors factors{
      .step_size = static_cast<float>(static_cast<double>(step.learning_rate) / correction1),
      .root_factor = static_cast<float>(1.0 / std::sqrt(correction2)),
      .keep1 = step.beta1,
      .keep2 = step.beta2,
      .take1 = 1.0F - step.beta1,
      .take2 = 1.0F - step.beta2,
      .decay = 1.0F - step.learning_rate * step.weight_decay,
      .epsilon = step.epsilon,
      .zero_gradient = step.zero_gradient};
  launch<kernels::adamw>(queue, element_shape(weight.elements()), weight.as<float>(),
                         moment1.as<float>(), moment2.as<float>(), gradient.as<float>(),
                         gradient_scale.as<float>(), factors, weight.elements());
}

}  // namespace lockflight::ops::cuda
