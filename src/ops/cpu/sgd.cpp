#include "ops/cpu/sgd.h"

#include <algorithm>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/sgd.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void sgd_elements(float* weight, float* velocity, float* gradient, float gradient_scale,
                  const SgdStep& step, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part) HWY_ATTR {
    const FloatVector w = load(weight + i, part);
    const FloatVector g = hn::MulAdd(constant(step.weight_decay), w,
                                     load(gradient + i, part) * constant(gradient_scale));
    const FloatVector v = hn::MulAdd(constant(step.momentum), load(velocity + i, part), g);
    store(v, velocity + i, part);
    store(hn::NegMulAdd(constant(step.learning_rate), v, w), weight + i, part);
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

HWY_EXPORT(sgd_elements);

}  // namespace

void sgd(Team& team, float* weight, float* velocity, float* gradient, const float* gradient_scale,
         const SgdStep& step, std::int64_t count) {
  if (!std::isfinite(*gradient_scale)) {
    std::fill_n(gradient, step.zero_gradient ? count : 0, 0.0F);
    return;
  }
  for_each_piece(team, count, kElementsPerPiece, [&](std::int64_t begin, std::int64_t end) {
    HWY_DYNAMIC_DISPATCH(sgd_elements)
    (weight + begin, velocity + begin, gradient + begin, *gradient_scale, step, end - begin);
  });
}

}  // namespace lockflight::ops::cpu
#endif
