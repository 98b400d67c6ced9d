#include "lockflight/nn/residual.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "nn/parts.h"
#include "nn/tensors.h"

namespace lockflight::nn {

Tensor Residual::forward(Context& context, Tensor x, Saved& saved) {
  Context inner = context.inner(0);
  Tensor fx = only_one(f_->forward_all(inner, list_of(x.share()), saved.inner(0)), "residual");
  Tensor y = reuse(context, fx);
  ops::add(context.stream(), y, fx, x);
  return y;
}

Tensor Residual::backward_input(Context& context, Tensor dy, Saved& saved) {
  Context inner = context.inner(0);
  Tensor df =
      only_one(f_->backward_input_all(inner, list_of(dy.share()), saved.inner(0)), "residual");
  Tensor dx = reuse(context, df);
  ops::add(context.stream(), dx, df, dy);
  return dx;
}

void Residual::backward_weight(Context& context, Saved& saved) {
  Context inner = context.inner(0);
  f_->backward_weight(inner, saved.inner(0));
}

}  // namespace lockflight::nn
