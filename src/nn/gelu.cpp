#include "lockflight/nn/gelu.h"

#include <utility>

#include "lockflight/ops/gelu.h"
#include "nn/parts.h"

namespace lockflight::nn {

Tensor Gelu::forward(Context& context, Tensor x, Saved& saved) {
  Tensor y = context.empty(x.spec());
  ops::gelu(context.stream(), y, x);
  saved.keep(std::move(x));
  return y;
}

Tensor Gelu::backward_input(Context& context, Tensor dy, Saved& saved) {
  const Tensor x = saved.take(0);  // nobody needs it any more
  Tensor dx = reuse(context, dy);
  ops::gelu_backward(context.stream(), dx, dy, x);
  return dx;
}

}  // namespace lockflight::nn
