#include "ops/cpu/adamw.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/adamw.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void adamw_elements(float* weight, float* moment1, float* moment2, float* gradient,
                    float gradient_scale, const AdamWStep& step, std::int64_t count) {
  const auto updates = static_cast<double>(step.step);
  const double correction1 = 1.0 - std::pow(static_cast<double>(step.beta1), updates);
  const double correction2 = 1.0 - std::pow(static_cast<double>(step.beta2), updates);
  const FloatVector step_size =
      constant(static_cast<float>(static_cast<double>(step.learning_rate) / correction1));
  const FloatVector root_factor = constant(static_cast<float>(1.0 / std::sqrt(correction2)));
  const FloatVector keep1 = constant(step.beta1);
  const FloatVector keep2 = constant(step.beta2);
  const FloatVector take1 = constant(1.0F - step.beta1);
  const FloatVector take2 = constant(1.0F - step.beta2);
  const FloatVector decay = constant(1.0F - step.learning_rate * step.weight_decay);
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    const FloatVector g = load(gradient + i, part) * constant(gradient_scale);
    const FloatVector m = hn::MulAdd(keep1, load(moment1 + i, part), take1 * g);
    const FloatVector v = hn::MulAdd(keep2, load(moment2 + i, part), take2 * g * g);
    const FloatVector root = hn::MulAdd(hn::Sqrt(v), root_factor, constant(step.epsilon));
    const FloatVector w = hn::NegMulAdd(step_size, m / root, load(weight + i, part) * decay);
    store(m, moment1 + i, part);
    store(v, moment2 + i, part);
    store(w, weight + i, part);
    if (step.zero_gradient) {
      store(constant(0.0F), gradient + i, part);
    }
  });
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(adamw_elements);

}  // namespace

void adamw(Team& team, float* weight, float* moment1, float* moment2, float* gradient,
           const float* gradient_scale, const AdamWStep& step, std::int64_t count) {
  if (!std::isfinite(*gradient_scale)) {
    std::fill_n(gradient, step.zero_gradient ? count : 0, 0.0F);
    return;
  }
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(adamw_elements)
    (weight + begin, moment1 + begin, moment2 + begin, gradient + begin, *gradient_scale, step,
     end - begin);
  });
}

}  // namespace lockflight::ops::cpu
#endif
