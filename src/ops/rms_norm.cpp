#include "lockflight/ops/rms_norm.h"

#include "ops/cpu/rms_norm.h"
#include "ops/cuda/rms_norm.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void rms_norm(Stream& stream, const TensorView& y, const TensorView& rstd, const TensorView& x,
              const TensorView& gain, float epsilon) {
  const Check check("rms_norm");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  check.shape("gain", gain, {x.shape().columns()}, "to match x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream, cost_per_element("rms_norm", 4.0, {y, x, rstd, gain}),
      [=](cpu::Team& team) {
        cpu::rms_norm(team, y.as<float>(), rstd.as<float>(), x.as<float>(), gain.as<float>(),
                      matrix(x), epsilon);
      },
      [&](auto& queue) { cuda::rms_norm(queue, y, rstd, x, gain, epsilon); });
}

void rms_norm_backward_input(Stream& stream, const TensorView& dx, const TensorView& dy,
                             const TensorView& x, const TensorView& rstd, const TensorView& gain) {
  const Check check("rms_norm_backward_input");
  check.type("x", x);
  check.shape("dx", dx, x.shape(), "to match x");
  check.shape("dy", dy, x.shape(), "to match x");
  check.shape("gain", gain, {x.shape().columns()}, "to match x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream, cost_per_element("rms_norm_backward_input", 9.0, {dx, dy, x, rstd, gain}),
      [=](cpu::Team& team) {
        cpu::rms_norm_backward_input(team, dx.as<float>(), dy.as<float>(), x.as<float>(),
                                     rstd.as<float>(), gain.as<float>(), matrix(x));
      },
      [&](auto& queue) { cuda::rms_norm_backward_input(queue, dx, dy, x, rstd, gain); });
}

void rms_norm_backward_weight(Stream& stream, const TensorView& dgain, const TensorView& dy,
                              const TensorView& x, const TensorView& rstd) {
  const Check check("rms_norm_backward_weight");
  check.type("x", x);
  check.shape("dy", dy, x.shape(), "to match x");
  check.shape("dgain", dgain, {x.shape().columns()}, "to match x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream, cost_per_element("rms_norm_backward_weight", 3.0, {dy, x, rstd, dgain, dgain}),
      [=](cpu::Team& team) {
        cpu::rms_norm_backward_weight(team, dgain.as<float>(), dy.as<float>(), x.as<float>(),
                                      rstd.as<float>(), matrix(x));
      },
      [&](auto& queue) { cuda::rms_norm_backward_weight(queue, dgain, dy, x, rstd); });
}

}  // namespace lockflight::ops
