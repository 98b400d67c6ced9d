#include "lockflight/ops/elementwise.h"

#include "ops/cpu/elementwise.h"
#include "ops/cuda/elementwise.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void add(Stream& stream, const TensorView& z, const TensorView& x, const TensorView& y) {
  const Check check("add");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  check.shape("z", z, x.shape(), "to match x");
  launch(
      stream, cost_per_element("add", 1.0, {z, x, y}),
      [=](cpu::Team& team) {
        cpu::add(team, z.as<float>(), x.as<float>(), y.as<float>(), x.elements());
      },
      [&](auto& queue) { cuda::add(queue, z, x, y); });
}

void accumulate(Stream& stream, const TensorView& y, const TensorView& x, float factor) {
  const Check check("accumulate");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  launch(
      stream, cost_per_element("accumulate", 2.0, {y, y, x}),
      [=](cpu::Team& team) {
        cpu::accumulate_scaled(team, y.as<float>(), x.as<float>(), factor, x.elements());
      },
      [&](auto& queue) { cuda::accumulate(queue, y, x, factor); });
}

void scale(Stream& stream, const TensorView& y, const TensorView& x, float factor) {
  const Check check("scale");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  launch(
      stream, cost_per_element("scale", 1.0, {y, x}),
      [=](cpu::Team& team) {
        cpu::scale(team, y.as<float>(), x.as<float>(), factor, x.elements());
      },
      [&](auto& queue) { cuda::scale(queue, y, x, factor); });
}

void copy(Stream& stream, const TensorView& y, const TensorView& x) {
  const Check check("copy");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  launch(
      stream, cost_per_element("copy", 0.0, {y, x}),
      [=](cpu::Team& team) { cpu::copy(team, y.as<float>(), x.as<float>(), x.elements()); },
      [&](auto& queue) { cuda::copy(queue, y, x); });
}

void fill(Stream& stream, const TensorView& y, float value) {
  Check("fill").type("y", y);
  launch(
      stream, cost_per_element("fill", 0.0, {y}),
      [=](cpu::Team& team) { cpu::fill(team, y.as<float>(), value, y.elements()); },
      [&](auto& queue) { cuda::fill(queue, y, value); });
}

}  // namespace lockflight::ops
