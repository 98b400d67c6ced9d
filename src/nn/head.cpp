#include "lockflight/nn/head.h"

#include <utility>

#include "lockflight/ops/matmul.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

// What is kept.
constexpr std::size_t kHeadX = 0;
constexpr std::size_t kHeadDy = 1;

}  // namespace

Head::Head(HeadConfig config)
    : weight_("weight", {{config.vocabulary, config.width}}, std::move(config.weight),
              config.dtype) {}

Tensor Head::forward(Context& context, Tensor x, Saved& saved) {
  Tensor y = context.empty(with_columns(x.spec(), weight_.spec().shape[0]));
  ops::matmul(context.stream(), y, x, weight_.compute(), {.transpose_b = true});
  saved.keep(std::move(x));
  return y;
}

Tensor Head::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dx = context.empty(saved[kHeadX].spec());
  ops::matmul(context.stream(), dx, dy, weight_.compute());
  saved.keep(std::move(dy));
  return dx;
}

void Head::backward_weight(Context& context, Saved& saved) {
  ops::matmul(context.stream(), weight_.grad(), saved[kHeadDy], saved[kHeadX],
              {.transpose_a = true, .accumulate = true});
}

}  // namespace lockflight::nn
