#include "lockflight/nn/rms_norm.h"

#include <utility>

#include "lockflight/ops/rms_norm.h"

namespace lockflight::nn {
namespace {

// What is kept.
constexpr std::size_t kRmsNormX = 0;
constexpr std::size_t kRmsNormRstd = 1;
constexpr std::size_t kRmsNormDy = 2;

}  // namespace

RmsNorm::RmsNorm(std::int64_t width) : gain_("gain", {{width}}, ones()) {}

Tensor RmsNorm::forward(Context& context, Tensor x, Saved& saved) {
  Tensor y = context.empty(x.spec());
  Tensor rstd = context.empty({{x.spec().shape.rows()}});
  ops::rms_norm(context.stream(), y, rstd, x, gain_.value());
  saved.keep(std::move(x));
  saved.keep(std::move(rstd));
  return y;
}

Tensor RmsNorm::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dx = context.empty(dy.spec());
  ops::rms_norm_backward_input(context.stream(), dx, dy, saved[kRmsNormX], saved[kRmsNormRstd],
                               gain_.value());
  saved.keep(std::move(dy));
  return dx;
}

void RmsNorm::backward_weight(Context& context, Saved& saved) {
  ops::rms_norm_backward_weight(context.stream(), gain_.grad(), saved[kRmsNormDy], saved[kRmsNormX],
                                saved[kRmsNormRstd]);
}

}  // namespace lockflight::nn
