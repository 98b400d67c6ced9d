#include "lockflight/ops/clip_scale.h"

#include <fmt/format.h>

#include "ops/cpu/clip_scale.h"
#include "ops/cuda/clip_scale.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void clip_scale(Stream& stream, const TensorView& scale, const TensorView& sums, double max_norm) {
  const Check check("clip_scale");
  check.shape("scale", scale, {}, "since it is one number");
  check.rank("sums", sums, 1, "[n]", DType::f64);
  if (!(max_norm > 0)) {
    check.refuse(fmt::format("max_norm is {}, but must be positive", max_norm));
  }
  launch(
      stream, cost_per_element("clip_scale", 1.0, {sums, scale}),
      [=](cpu::Team& /*team*/) {
        *scale.as<float>() = cpu::clip_scale(sums.as<double>(), sums.elements(), max_norm);
      },
      [&](auto& queue) { cuda::clip_scale(queue, scale, sums, max_norm); });
}

}  // namespace lockflight::ops
