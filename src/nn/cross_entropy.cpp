#include "lockflight/nn/cross_entropy.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/cross_entropy.h"
#include "lockflight/ops/reduce.h"
#include "nn/parts.h"
#include "nn/tensors.h"

namespace lockflight::nn {

void CrossEntropy::forward(Context& context, Tensors outputs,
                           const std::vector<TensorView>& targets, float scale,
                           const TensorView& loss, Saved& saved) {
  Tensor logits = only_one(std::move(outputs), "cross_entropy");
  const TensorView target = only_target(targets, "cross_entropy");
  const std::int64_t rows = logits.spec().shape.rows();
  const Tensor losses = context.empty({{rows}});
  if (context.training) {
    Tensor dlogits = reuse(context, logits);
    ops::cross_entropy_with_gradient(context.stream(), losses, dlogits, logits, target,
                                     scale / static_cast<float>(rows));
    saved.keep(std::move(dlogits));
  } else {
    ops::cross_entropy(context.stream(), losses, logits, target);
  }
  ops::mean(context.stream(), loss, losses);
}

Tensors CrossEntropy::backward(Context& /*context*/, Saved& saved) {
  return list_of(saved.take(0));
}

}  // namespace lockflight::nn
