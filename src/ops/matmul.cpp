#include "lockflight/ops/matmul.h"

#include <fmt/format.h>

#include "ops/cpu/bf16_gemm.h"
#include "ops/cpu/matmul.h"
#include "ops/cuda/matmul.h"
#include "ops/front_door.h"

namespace lockflight::ops {

void matmul(Stream& stream, const TensorView& c, const TensorView& a, const TensorView& b,
            const MatmulOptions& options) {
  const Check check("matmul");
  check.activation("a", a);
  check.type("b", b, a.dtype());
  check.activation("c", c);
  if (c.dtype() != a.dtype()) {
    check.type("c", c);
  }
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
      [=, accumulate = options.accumulate](cpu::Team& team) {
        cpu::matmul(team, c, a, b, bias.as<float>(), shape, accumulate);
      },
      [&](auto& queue) { cuda::matmul(queue, c, a, b, options); });
}

std::string_view why_bf16_is_slow_on_cpu() {
  return cpu::multiplies_bf16() ? ""
                                : "bf16 takes longer than f32 here: this processor has no "
                                  "instructions for products of "
                                  "bf16 (AVX512_BF16)";
}

}  // namespace lockflight::ops
