#include "lockflight/nn/dropout.h"

#include <utility>

#include "nn/parts.h"

namespace lockflight::nn {

Dropout::Dropout(float rate) : rate_(checked_dropout(rate, "dropout")) {}

Tensor Dropout::forward(Context& context, Tensor x, Saved& /*saved*/) {
  return dropped(context, std::move(x), rate_);
}

Tensor Dropout::backward_input(Context& context, Tensor dy, Saved& /*saved*/) {
  return dropped(context, std::move(dy), rate_);
}

}  // namespace lockflight::nn
