#include "lockflight/ops/sgd.h"

#include "ops/cpu/sgd.h"
#include "ops/cuda/sgd.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void sgd(Stream& stream, const TensorView& weight, const TensorView& velocity,
         const TensorView& gradient, const TensorView& gradient_scale, const SgdStep& step) {
  const Check check("sgd");
  check.type("weight", weight);
  check.shape("velocity", velocity, weight.shape(), "to match weight");
  check.shape("gradient", gradient, weight.shape(), "to match weight");
  check.shape("gradient_scale", gradient_scale, {}, "since it is one number");
  const TensorView zeroed = step.zero_gradient ? gradient : TensorView();
  launch(
      stream, cost_per_element("sgd", 7.0, {weight, weight, velocity, velocity, gradient, zeroed}),
      [=](cpu::Team& team) {
        cpu::sgd(team, weight.as<float>(), velocity.as<float>(), gradient.as<float>(),
                 gradient_scale.as<float>(), step, weight.elements());
      },
      [&](auto& queue) { cuda::sgd(queue, weight, velocity, gradient, gradient_scale, step); });
}

}  // namespace lockflight::ops
