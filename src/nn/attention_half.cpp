#include "lockflight/nn/attention_half.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr std::size_t kAttentionNormPart = 0;
constexpr std::size_t kAttentionPart = 1;

}  // namespace

AttentionHalf::AttentionHalf(SelfAttentionConfig config)
    : norm_(config.width), attention_(std::move(config)) {
  name_part("norm", norm_);
}

std::vector<Parameter*> AttentionHalf::parameters() { return parameters_of({&norm_, &attention_}); }

Tensor AttentionHalf::forward(Context& context, Tensor x, Saved& saved) {
  Tensor normed = norm_.forward(context, x.share(), saved.inner(kAttentionNormPart));
  return attention_.forward_onto(context, std::move(normed), x, saved.inner(kAttentionPart));
}

Tensor AttentionHalf::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dnormed = attention_.backward_input(context, dy.share(), saved.inner(kAttentionPart));
  Tensor dx = norm_.backward_input(context, std::move(dnormed), saved.inner(kAttentionNormPart));
  ops::accumulate(context.stream(), dx, dy);
  return dx;
}

void AttentionHalf::backward_weight(Context& context, Saved& saved) {
  attention_.backward_weight(context, saved.inner(kAttentionPart));
  norm_.backward_weight(context, saved.inner(kAttentionNormPart));
}

}  // namespace lockflight::nn
