#include "lockflight/ops/rope.h"

#include <fmt/format.h>

#include "ops/cpu/rope.h"
#include "ops/cuda/rope.h"
#include "ops/front_door.h"

namespace lockflight::ops {

namespace {

cpu::RopeShape rope_shape(const Check& check, std::string_view name, const TensorView& x,
                          const RopeOptions& options) {
  check.activation(name, x);
  check.rank(name, x, 3, "[B, T, columns]", x.dtype());
  if (options.heads < 1 || options.head_width < 2 || options.head_width % 2 != 0) {
    check.refuse(
        fmt::format("{} heads of {} channels cannot be rotated in pairs; choose at least one "
                    "head and an even number of channels",
                    options.heads, options.head_width));
  }
  if (options.heads * options.head_width > x.shape()[2]) {
    check.refuse(fmt::format("{} has shape {}, too narrow for {} heads of {} channels", name,
                             to_string(x.shape()), options.heads, options.head_width));
  }
  if (!(options.base > 0)) {
    check.refuse(fmt::format("the base of the angles is {}, expected more than 0", options.base));
  }
  return {.batch = x.shape()[0],
          .length = x.shape()[1],
          .columns = x.shape()[2],
          .heads = options.heads,
          .head_width = options.head_width};
}

// Sines and cosines, computed once for all sequences and heads, are not counted.
OpCost rope_cost(std::string_view name, const TensorView& x, const cpu::RopeShape& shape) {
  const auto rotated =
      static_cast<double>(shape.batch * shape.length * shape.heads * shape.head_width);
  const auto element = static_cast<double>(size_of(x.dtype()));
  return {.name = name,
          .flops = 3.0 * rotated,
          .bytes_moved = 2.0 * element * rotated,
          .dtype = x.dtype()};
}

}  // namespace

void rope(Stream& stream, const TensorView& x, RopeOptions options) {
  const cpu::RopeShape shape = rope_shape(Check("rope"), "x", x, options);
  launch(
      stream, rope_cost("rope", x, shape),
      [=](cpu::Team& team) { cpu::rope(team, x, shape, options.base); },
      [&](auto& queue) { cuda::rope(queue, x, options); });
}

void rope_backward(Stream& stream, const TensorView& dx, RopeOptions options) {
  const cpu::RopeShape shape = rope_shape(Check("rope_backward"), "dx", dx, options);
  launch(
      stream, rope_cost("rope_backward", dx, shape),
      [=](cpu::Team& team) { cpu::rope_backward(team, dx, shape, options.base); },
      [&](auto& queue) { cuda::rope_backward(queue, dx, options); });
}

}  // namespace lockflight::ops
