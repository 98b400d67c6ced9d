#include "lockflight/ops/swiglu.h"

#include <fmt/format.h>

#include "ops/cpu/swiglu.h"
#include "ops/cuda/swiglu.h"
#include "ops/front_door.h"

namespace lockflight::ops {

namespace {

// `output` is y or dy, called `name`.
void check_halves(const Check& check, std::string_view name, const TensorView& output,
                  const TensorView& x) {
  check.type(name, output);
  check.type("x", x);
  if (x.shape().columns() != 2 * output.shape().columns() ||
      x.shape().rows() != output.shape().rows()) {
    check.refuse(fmt::format("x has shape {}, expected {} rows of {}, twice as wide as {} {}",
                             to_string(x.shape()), output.shape().rows(),
                             2 * output.shape().columns(), name, to_string(output.shape())));
  }
}

}  // namespace

void swiglu(Stream& stream, const TensorView& y, const TensorView& x) {
  check_halves(Check("swiglu"), "y", y, x);
  launch(
      stream, cost_per_element("swiglu", 13.0, {y, x}),
      [=](cpu::Team& team) { cpu::swiglu(team, y.as<float>(), x.as<float>(), matrix(y)); },
      [&](auto& queue) { cuda::swiglu(queue, y, x); });
}

void swiglu_backward(Stream& stream, const TensorView& dx, const TensorView& dy,
                     const TensorView& x) {
  const Check check("swiglu_backward");
  check_halves(check, "dy", dy, x);
  check.shape("dx", dx, x.shape(), "to match x");
  launch(
      stream, cost_per_element("swiglu_backward", 20.0, {dy, dx, x}),
      [=](cpu::Team& team) {
        cpu::swiglu_backward(team, dx.as<float>(), dy.as<float>(), x.as<float>(), matrix(dy));
      },
      [&](auto& queue) { cuda::swiglu_backward(queue, dx, dy, x); });
}

}  // namespace lockflight::ops
