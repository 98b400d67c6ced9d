#include "lockflight/nn/llama_attention_half.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr std::size_t kLlamaAttentionNormPart = 0;
constexpr std::size_t kLlamaAttentionPart = 1;

}  // namespace

LlamaAttentionHalf::LlamaAttentionHalf(LlamaAttentionHalfConfig config)
    : norm_(config.width),
      attention_({.width = config.width,
                  .heads = config.heads,
                  .key_value_heads = config.key_value_heads,
                  .rotary_base = config.rotary_base,
                  .bias = false,
                  .dtype = config.dtype,
                  .weight = std::move(config.weight),
                  .projection = std::move(config.projection)}) {
  name_part("norm", norm_);
}

std::vector<Parameter*> LlamaAttentionHalf::parameters() {
  return parameters_of({&norm_, &attention_});
}

Tensor LlamaAttentionHalf::forward(Context& context, Tensor x, Saved& saved) {
  Tensor normed = norm_.forward(context, x.share(), saved.inner(kLlamaAttentionNormPart));
  return attention_.forward_onto(context, std::move(normed), x, saved.inner(kLlamaAttentionPart));
}

Tensor LlamaAttentionHalf::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dnormed = attention_.backward_input(context, dy.share(), saved.inner(kLlamaAttentionPart));
  Tensor dx =
      norm_.backward_input(context, std::move(dnormed), saved.inner(kLlamaAttentionNormPart));
  ops::accumulate(context.stream(), dx, dy);
  return dx;
}

void LlamaAttentionHalf::backward_weight(Context& context, Saved& saved) {
  attention_.backward_weight(context, saved.inner(kLlamaAttentionPart));
  norm_.backward_weight(context, saved.inner(kLlamaAttentionNormPart));
}

}  // namespace lockflight::nn
