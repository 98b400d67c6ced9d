#include "lockflight/ops/layer_norm.h"

#include "ops/cpu/layer_norm.h"
#include "ops/cuda/layer_norm.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void layer_norm(Stream& stream, const TensorView& y, const TensorView& mean, const TensorView& rstd,
                const TensorView& x, const TensorView& gain, const TensorView& bias,
                float epsilon) {
  const Check check("layer_norm");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  check.shape("gain", gain, {x.shape().columns()}, "to match x");
  check.shape("bias", bias, {x.shape().columns()}, "to match x");
  check.elements("mean", mean, x.shape().rows(), "for the rows of x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream, cost_per_element("layer_norm", 8.0, {y, x, mean, rstd, gain, bias}),
      [=](cpu::Team& team) {
        cpu::layer_norm(team, y.as<float>(), mean.as<float>(), rstd.as<float>(), x.as<float>(),
                        gain.as<float>(), bias.as<float>(), matrix(x), epsilon);
      },
      [&](auto& queue) { cuda::layer_norm(queue, y, mean, rstd, x, gain, bias, epsilon); });
}

void layer_norm_backward_input(Stream& stream, const TensorView& dx, const TensorView& dy,
                               const TensorView& x, const TensorView& mean, const TensorView& rstd,
                               const TensorView& gain) {
  const Check check("layer_norm_backward_input");
  check.type("x", x);
  check.shape("dx", dx, x.shape(), "to match x");
  check.shape("dy", dy, x.shape(), "to match x");
  check.shape("gain", gain, {x.shape().columns()}, "to match x");
  check.elements("mean", mean, x.shape().rows(), "for the rows of x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream, cost_per_element("layer_norm_backward_input", 13.0, {dx, dy, x, mean, rstd, gain}),
      [=](cpu::Team& team) {
        cpu::layer_norm_backward_input(team, dx.as<float>(), dy.as<float>(), x.as<float>(),
                                       mean.as<float>(), rstd.as<float>(), gain.as<float>(),
                                       matrix(x));
      },
      [&](auto& queue) { cuda::layer_norm_backward_input(queue, dx, dy, x, mean, rstd, gain); });
}

void layer_norm_backward_weight(Stream& stream, const TensorView& dgain, const TensorView& dbias,
                                const TensorView& dy, const TensorView& x, const TensorView& mean,
                                const TensorView& rstd) {
  const Check check("layer_norm_backward_weight");
  check.type("x", x);
  check.shape("dy", dy, x.shape(), "to match x");
  check.shape("dgain", dgain, {x.shape().columns()}, "to match x");
  check.shape("dbias", dbias, {x.shape().columns()}, "to match x");
  check.elements("mean", mean, x.shape().rows(), "for the rows of x");
  check.elements("rstd", rstd, x.shape().rows(), "for the rows of x");
  launch(
      stream,
      cost_per_element("layer_norm_backward_weight", 5.0,
                       {dy, x, mean, rstd, dgain, dgain, dbias, dbias}),
      [=](cpu::Team& team) {
        cpu::layer_norm_backward_weight(team, dgain.as<float>(), dbias.as<float>(), dy.as<float>(),
                                        x.as<float>(), mean.as<float>(), rstd.as<float>(),
                                        matrix(x));
      },
      [&](auto& queue) {
        cuda::layer_norm_backward_weight(queue, dgain, dbias, dy, x, mean, rstd);
      });
}

}  // namespace lockflight::ops
