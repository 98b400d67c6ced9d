#include "lockflight/ops/matmul.h"

#include <fmt/format.h>

#include "ops/cpu/matmul.h"
#include "ops/cuda/matmul.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void matmul(Stream& stream, const TensorView& c, const TensorView& a, const TensorView& b,
            const MatmulOptions& options) {
  const Check check("matmul");
  check.type("a", a);
  check.type("b", b);
  check.type("c", c);
  const Shape& left = a.shape();
  const Shape& right = b.shape();
  const std::int64_t m = options.transpose_a ? left.columns() : left.rows();
  const std::int64_t k = options.transpose_a ? left.rows() : left.columns();
  const std::int64_t n = options.transpose_b ? right.rows() : right.columns();
  if (k != (options.transpose_b ? right.columns() : right.rows())) {
    check.refuse(fmt::format("a {}{} and b {}{} do not share their inner extent", to_string(left),
                             options.transpose_a ? " transposed" : "", to_string(right),
                             options.transpose_b ? " transposed" : ""));
  }
  if (c.shape().rows() != m || c.shape().columns() != n) {
    check.refuse(fmt::format("c has shape {}, expected {} rows of {} to match a {} and b {}",
                             to_string(c.shape()), m, n, to_string(left), to_string(right)));
  }
  const TensorView bias = options.bias;
  if (bias) {
    check.shape("bias", bias, {n}, "to match the columns of c");
  }
  const cpu::MatmulShape shape{m, n, k, options.transpose_a, options.transpose_b};
  const TensorView added_to = options.accumulate ? c : TensorView();
  launch(
      stream,
      cost_per_element("matmul", 2.0 * static_cast<double>(k) + (bias ? 1.0 : 0.0),
                       {c, a, b, added_to, bias}),
      [=, beta = options.accumulate ? 1.0F : 0.0F](cpu::Team& team) {
        cpu::matmul(team, c.as<float>(), a.as<float>(), b.as<float>(), bias.as<float>(), shape,
                    beta);
      },
      [&](auto& queue) { cuda::matmul(queue, c, a, b, options); });
}

}  // namespace lockflight::ops
