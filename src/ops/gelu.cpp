#include "lockflight/ops/gelu.h"

#include "ops/cpu/gelu.h"
#include "ops/cuda/gelu.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void gelu(Stream& stream, const TensorView& y, const TensorView& x) {
  const Check check("gelu");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  launch(
      stream, cost_per_element("gelu", 15.0, {y, x}),
      [=](cpu::Team& team) { cpu::gelu(team, y.as<float>(), x.as<float>(), nullptr, matrix(x)); },
      [&](auto& queue) { cuda::gelu(queue, y, x); });
}

void gelu_backward(Stream& stream, const TensorView& dx, const TensorView& dy,
                   const TensorView& x) {
  const Check check("gelu_backward");
  check.type("x", x);
  check.shape("dx", dx, x.shape(), "to match x");
  check.shape("dy", dy, x.shape(), "to match x");
  launch(
      stream, cost_per_element("gelu_backward", 22.0, {dx, dy, x}),
      [=](cpu::Team& team) {
        cpu::gelu_backward(team, dx.as<float>(), dy.as<float>(), x.as<float>(), matrix(x));
      },
      [&](auto& queue) { cuda::gelu_backward(queue, dx, dy, x); });
}

void bias_gelu(Stream& stream, const TensorView& y, const TensorView& x, const TensorView& bias) {
  const Check check("bias_gelu");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  check.shape("bias", bias, {x.shape().columns()}, "to match x");
  launch(
      stream, cost_per_element("bias_gelu", 16.0, {y, x, bias}),
      [=](cpu::Team& team) {
        cpu::gelu(team, y.as<float>(), x.as<float>(), bias.as<float>(), matrix(x));
      },
      [&](auto& queue) { cuda::bias_gelu(queue, y, x, bias); });
}

void bias_gelu_backward(Stream& stream, const TensorView& dx, const TensorView& dbias,
                        const TensorView& dy, const TensorView& x, const TensorView& bias) {
  const Check check("bias_gelu_backward");
  check.type("x", x);
  check.shape("dx", dx, x.shape(), "to match x");
  check.shape("dy", dy, x.shape(), "to match x");
  check.shape("bias", bias, {x.shape().columns()}, "to match x");
  check.shape("dbias", dbias, {x.shape().columns()}, "to match x");
  launch(
      stream, cost_per_element("bias_gelu_backward", 24.0, {dx, dy, x, bias, dbias, dbias}),
      [=](cpu::Team& team) {
        cpu::bias_gelu_backward(team, dx.as<float>(), dbias.as<float>(), dy.as<float>(),
                                x.as<float>(), bias.as<float>(), matrix(x));
      },
      [&](auto& queue) { cuda::bias_gelu_backward(queue, dx, dbias, dy, x, bias); });
}

}  // namespace lockflight::ops
