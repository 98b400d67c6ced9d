#include "lockflight/ops/reduce.h"

#include "ops/cpu/reduce.h"
#include "ops/cuda/reduce.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void column_sum(Stream& stream, const TensorView& sums, const TensorView& x) {
  const Check check("column_sum");
  check.type("x", x);
  check.shape("sums", sums, {x.shape().columns()}, "to match the columns of x");
  launch(
      stream, cost_per_element("column_sum", 1.0, {x, sums, sums}),
      [=](cpu::Team& team) { cpu::column_sum(team, sums.as<float>(), x.as<float>(), matrix(x)); },
      [&](auto& queue) { cuda::column_sum(queue, sums, x); });
}

void mean(Stream& stream, const TensorView& result, const TensorView& x) {
  const Check check("mean");
  check.type("x", x);
  check.shape("result", result, {}, "since it is one number");
  launch(
      stream, cost_per_element("mean", 1.0, {x, result}),
      [=](cpu::Team& team) { *result.as<float>() = cpu::mean(team, x.as<float>(), x.elements()); },
      [&](auto& queue) { cuda::mean(queue, result, x); });
}

void sum_of_squares(Stream& stream, const TensorView& result, const TensorView& x) {
  const Check check("sum_of_squares");
  check.type("x", x);
  check.shape("result", result, {}, "since it is one number", DType::f64);
  launch(
      stream, cost_per_element("sum_of_squares", 2.0, {x, result}),
      [=](cpu::Team& team) {
        *result.as<double>() = cpu::sum_of_squares(team, x.as<float>(), x.elements());
      },
      [&](auto& queue) { cuda::sum_of_squares(queue, result, x); });
}

}  // namespace lockflight::ops
