#include "lockflight/nn/linear.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/matmul.h"
#include "lockflight/ops/reduce.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

// What is kept.
constexpr std::size_t kLinearX = 0;
constexpr std::size_t kLinearDy = 1;

}  // namespace

Linear::Linear(LinearConfig config)
    : has_bias_(config.bias),
      weight_("weight", {{config.inputs, config.outputs}}, std::move(config.weight), config.dtype),
      bias_("bias", {{config.outputs}}, zeros()) {}

std::vector<Parameter*> Linear::parameters() {
  return has_bias_ ? std::vector{&weight_, &bias_} : std::vector{&weight_};
}

TensorView Linear::bias() const { return has_bias_ ? bias_.value() : TensorView(); }

Tensor Linear::forward(Context& context, Tensor x, Saved& saved) {
  Tensor y = context.empty(with_columns(x.spec(), weight_.spec().shape[1]));
  ops::matmul(context.stream(), y, x, weight_.compute(), {.bias = bias()});
  saved.keep(std::move(x));
  return y;
}

Tensor Linear::forward_onto(Context& context, Tensor x, const TensorView& residual, Saved& saved) {
  Tensor y = context.empty(residual.spec());
  ops::copy(context.stream(), y, residual);
  ops::matmul(context.stream(), y, x, weight_.compute(), {.accumulate = true, .bias = bias()});
  saved.keep(std::move(x));
  return y;
}

Tensor Linear::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dx = context.empty(saved[kLinearX].spec());
  ops::matmul(context.stream(), dx, dy, weight_.compute(), {.transpose_b = true});
  saved.keep(std::move(dy));
  return dx;
}

void Linear::backward_weight(Context& context, Saved& saved) {
  ops::matmul(context.stream(), weight_.grad(), saved[kLinearX], saved[kLinearDy],
              {.transpose_a = true, .accumulate = true});
  if (has_bias_) {
    ops::column_sum(context.stream(), bias_.grad(), saved[kLinearDy]);
  }
}

}  // namespace lockflight::nn
