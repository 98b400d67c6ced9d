#include "lockflight/ops/mean_squared_error.h"

#include "ops/cpu/mean_squared_error.h"
#include "ops/cuda/mean_squared_error.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void mean_squared_error(Stream& stream, const TensorView& loss, const TensorView& dprediction,
                        const TensorView& prediction, const TensorView& target, float scale) {
  const Check check("mean_squared_error");
  check.type("prediction", prediction);
  check.shape("target", target, prediction.shape(), "to match prediction");
  check.shape("loss", loss, {}, "since it is one number");
  if (dprediction) {
    check.shape("dprediction", dprediction, prediction.shape(), "to match prediction");
  }
  launch(
      stream,
      cost_per_element("mean_squared_error", dprediction ? 4.0 : 3.0,
                       {prediction, target, dprediction, loss}),
      [=](cpu::Team& team) {
        *loss.as<float>() =
            cpu::mean_squared_error(team, dprediction.as<float>(), prediction.as<float>(),
                                    target.as<float>(), scale, prediction.elements());
      },
      [&](auto& queue) {
        cuda::mean_squared_error(queue, loss, dprediction, prediction, target, scale);
      });
}

}  // namespace lockflight::ops
