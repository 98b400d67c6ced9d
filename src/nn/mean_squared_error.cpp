#include "lockflight/nn/mean_squared_error.h"

#include <utility>

#include "lockflight/ops/mean_squared_error.h"
#include "nn/parts.h"
#include "nn/tensors.h"

namespace lockflight::nn {

void MeanSquaredError::forward(Context& context, Tensors outputs,
                               const std::vector<TensorView>& targets, float scale,
                               const TensorView& loss, Saved& saved) {
  Tensor prediction = only_one(std::move(outputs), "mean_squared_error");
  const TensorView target = only_target(targets, "mean_squared_error");
  Tensor dprediction;
  if (context.training) {
    dprediction = reuse(context, prediction);
  }
  ops::mean_squared_error(context.stream(), loss, dprediction, prediction, target, scale);
  saved.keep(std::move(dprediction));
}

Tensors MeanSquaredError::backward(Context& /*context*/, Saved& saved) {
  return list_of(saved.take(0));
}

}  // namespace lockflight::nn
