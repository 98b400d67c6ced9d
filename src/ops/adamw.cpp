#include "lockflight/ops/adamw.h"

#include <fmt/format.h>

#include "ops/cpu/adamw.h"
#include "ops/cuda/adamw.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void adamw(Stream& stream, const TensorView& weight, const TensorView& moment1,
           const TensorView& moment2, const TensorView& gradient, const TensorView& gradient_scale,
           const AdamWStep& step) {
  const Check check("adamw");
  check.type("weight", weight);
  check.shape("moment1", moment1, weight.shape(), "to match weight");
  check.shape("moment2", moment2, weight.shape(), "to match weight");
  check.shape("gradient", gradient, weight.shape(), "to match weight");
  check.shape("gradient_scale", gradient_scale, {}, "since it is one number");
  if (step.step < 1) {
    check.refuse(fmt::format("step is {}, but steps are counted from 1", step.step));
  }
  const TensorView zeroed = step.zero_gradient ? gradient : TensorView();
  launch(
      stream,
      cost_per_element("adamw", 14.0,
                       {weight, weight, moment1, moment1, moment2, moment2, gradient, zeroed}),
      [=](cpu::Team& team) {
        cpu::adamw(team, weight.as<float>(), moment1.as<float>(), moment2.as<float>(),
                   gradient.as<float>(), gradient_scale.as<float>(), step, weight.elements());
      },
      [&](auto& queue) {
        cuda::adamw(queue, weight, moment1, moment2, gradient, gradient_scale, step);
      });
}

}  // namespace lockflight::ops
