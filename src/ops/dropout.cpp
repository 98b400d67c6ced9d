#include "lockflight/ops/dropout.h"

#include <fmt/format.h>

#include "ops/cpu/dropout.h"
#include "ops/cuda/dropout.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void dropout(Stream& stream, const TensorView& y, const TensorView& x, float rate,
             const RandomKey& key) {
  const Check check("dropout");
  check.type("x", x);
  check.shape("y", y, x.shape(), "to match x");
  if (!(rate >= 0.0F && rate < 1.0F)) {
    check.refuse(fmt::format("the rate is {}, expected at least 0 and less than 1", rate));
  }
  launch(
      stream, cost_per_element("dropout", 1.0, {y, x}),
      [=](cpu::Team& team) {
        cpu::dropout(team, y.as<float>(), x.as<float>(), rate, key, x.elements());
      },
      [&](auto& queue) { cuda::dropout(queue, y, x, rate, key); });
}

}  // namespace lockflight::ops
