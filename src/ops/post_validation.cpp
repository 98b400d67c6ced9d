#include "lockflight/ops/post_validation.h"

#include <fmt/format.h>

#include "ops/cpu/elementwise.h"
#include "ops/cpu/post_validation.h"
#include "ops/cuda/post_validation.h"
#include "ops/front_door.h"

namespace lockflight::ops {
namespace {

constexpr const char* kOneNumber = "since it is one number";

}  // namespace

void add_sums(Stream& stream, const TensorView& sums, const TensorView& more) {
  const Check check("add_sums");
  check.rank("sums", sums, 1, "[n]", DType::f64);
  check.shape("more", more, sums.shape(), "to match sums", DType::f64);
  launch(
      stream, cost_per_element("add_sums", 1.0, {sums, sums, more}),
      [=](cpu::Team& /*team*/) {
        cpu::add_sums(sums.as<double>(), more.as<double>(), sums.elements());
      },
      [&](auto& queue) { cuda::add_sums(queue, sums, more); });
}

void eager_scale(Stream& stream, const TensorView& scale, const TensorView& sums, double max_norm) {
  const Check check("eager_scale");
  check.shape("scale", scale, {}, kOneNumber);
  check.rank("sums", sums, 1, "[n]", DType::f64);
  if (!(max_norm > 0)) {
    check.refuse(fmt::format("max_norm is {}, but must be positive", max_norm));
  }
  launch(
      stream, cost_per_element("eager_scale", 1.0, {sums, scale}),
      [=](cpu::Team& /*team*/) {
        *scale.as<float>() = cpu::eager_scale(sums.as<double>(), sums.elements(), max_norm);
      },
      [&](auto& queue) { cuda::eager_scale(queue, scale, sums, max_norm); });
}

void amend_scale(Stream& stream, const TensorView& undo, const TensorView& redo,
                 const TensorView& used, const TensorView& scale) {
  const Check check("amend_scale");
  check.shape("undo", undo, {}, kOneNumber);
  check.shape("redo", redo, {}, kOneNumber);
  check.shape("used", used, {}, kOneNumber);
  check.shape("scale", scale, {}, kOneNumber);
  launch(
      stream, cost_per_element("amend_scale", 2.0, {scale, used, undo, redo}),
      [=](cpu::Team& /*team*/) {
        cpu::amend_scale(*undo.as<float>(), *redo.as<float>(), *used.as<float>(),
                         *scale.as<float>());
      },
      [&](auto& queue) { cuda::amend_scale(queue, undo, redo, used, scale); });
}

void restore(Stream& stream, const TensorView& y, const TensorView& x, const TensorView& undo) {
  const Check check("restore");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  check.shape("undo", undo, {}, kOneNumber);
  launch(
      stream, cost_per_element("restore", 0.0, {y, x}),
      [=](cpu::Team& team) {
        if (*undo.as<float>() != 0.0F) {
          cpu::copy(team, y, x, x.elements());
        }
      },
      [&](auto& queue) { cuda::restore(queue, y, x, undo); });
}

}  // namespace lockflight::ops
