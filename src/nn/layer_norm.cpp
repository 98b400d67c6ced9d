#include "lockflight/nn/layer_norm.h"

#include <utility>

#include "lockflight/ops/layer_norm.h"

namespace lockflight::nn {
namespace {

// What is kept.
constexpr std::size_t kLayerNormX = 0;
constexpr std::size_t kMean = 1;
constexpr std::size_t kLayerNormRstd = 2;
constexpr std::size_t kLayerNormDy = 3;

}  // namespace

LayerNorm::LayerNorm(std::int64_t width)
    : gain_("gain", {{width}}, ones()), bias_("bias", {{width}}, zeros()) {}

Tensor LayerNorm::forward(Context& context, Tensor x, Saved& saved) {
  Tensor y = context.empty(x.spec());
  Tensor mean = context.empty({{x.spec().shape.rows()}});
  Tensor rstd = context.empty({{x.spec().shape.rows()}});
  ops::layer_norm(context.stream(), y, mean, rstd, x, gain_.value(), bias_.value());
  saved.keep(std::move(x));
  saved.keep(std::move(mean));
  saved.keep(std::move(rstd));
  return y;
}

Tensor LayerNorm::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dx = context.empty(dy.spec());
  ops::layer_norm_backward_input(context.stream(), dx, dy, saved[kLayerNormX], saved[kMean],
                                 saved[kLayerNormRstd], gain_.value());
  saved.keep(std::move(dy));
  return dx;
}

void LayerNorm::backward_weight(Context& context, Saved& saved) {
  ops::layer_norm_backward_weight(context.stream(), gain_.grad(), bias_.grad(), saved[kLayerNormDy],
                                  saved[kLayerNormX], saved[kMean], saved[kLayerNormRstd]);
}

}  // namespace lockflight::nn
