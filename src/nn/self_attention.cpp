#include "lockflight/nn/self_attention.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/attention.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

// What is kept, beside what the parts keep.
constexpr std::size_t kQkv = 0;
constexpr std::size_t kY = 1;
constexpr std::size_t kLogSumExp = 2;

constexpr std::size_t kQkvPart = 0;
constexpr std::size_t kProjectionPart = 1;

ops::AttentionHeads checked_heads(const SelfAttentionConfig& config) {
  if (config.heads < 1 || config.width % config.heads != 0) {
    throw InvalidArgument(
        fmt::format("attention: {} heads do not divide a width of {}; choose a width that is a "
                    "multiple of the heads",
                    config.heads, config.width));
  }
  const std::int64_t key_values =
      config.key_value_heads == 0 ? config.heads : config.key_value_heads;
  if (key_values < 1 || config.heads % key_values != 0) {
    throw InvalidArgument(
        fmt::format("attention: {} heads cannot share {} heads of keys and values evenly; choose a "
                    "number that divides the heads",
                    config.heads, key_values));
  }
  return {.queries = config.heads, .key_values = key_values};
}

ops::RopeOptions checked_rope(const SelfAttentionConfig& config, ops::AttentionHeads heads) {
  const std::int64_t head_width = config.width / heads.queries;
  if (!(config.rotary_base >= 0)) {
    throw InvalidArgument(
        fmt::format("attention: the base of the rotary position embedding is {}, but must be more "
                    "than 0, or 0 for none",
                    config.rotary_base));
  }
  if (config.rotary_base > 0 && head_width % 2 != 0) {
    throw InvalidArgument(
        fmt::format("attention: heads of {} channels cannot be rotated in pairs; choose a width "
                    "that is an even multiple of the {} heads",
                    head_width, heads.queries));
  }
  return {.heads = heads.queries + heads.key_values,
          .head_width = head_width,
          .base = config.rotary_base};
}

}  // namespace

SelfAttention::SelfAttention(SelfAttentionConfig config)
    : heads_(checked_heads(config)),
      rope_(checked_rope(config, heads_)),
      dropout_(checked_dropout(config.dropout, "attention")),
      qkv_({.inputs = config.width,
            .outputs = config.width + 2 * heads_.key_values * rope_.head_width,
            .bias = config.bias,
            .dtype = config.dtype,
            .weight = std::move(config.weight)}),
      projection_({.inputs = config.width,
                   .outputs = config.width,
                   .bias = config.bias,
                   .dtype = config.dtype,
                   .weight = std::move(config.projection)}) {
  name_part("qkv", qkv_);
  name_part("projection", projection_);
}

std::vector<Parameter*> SelfAttention::parameters() { return parameters_of({&qkv_, &projection_}); }

Tensor SelfAttention::forward(Context& context, Tensor x, Saved& saved) {
  return forward_onto(context, std::move(x), {}, saved);
}

Tensor SelfAttention::forward_onto(Context& context, Tensor x, const TensorView& residual,
                                   Saved& saved) {
  const TensorSpec spec = x.spec();
  Tensor qkv = qkv_.forward(context, std::move(x), saved.inner(kQkvPart));
  if (rope_.base > 0) {
    ops::rope(context.stream(), qkv, rope_);
  }
  Tensor y = context.empty(spec);
  Tensor log_sum_exp = context.empty({{spec.shape[0], heads_.queries, spec.shape[1]}});
  ops::attention(context.stream(), y, log_sum_exp, qkv, heads_);
  saved.keep(std::move(qkv));
  saved.keep(y.share());
  saved.keep(std::move(log_sum_exp));
  return project(context, projection_, dropout_, std::move(y), residual,
                 saved.inner(kProjectionPart));
}

Tensor SelfAttention::backward_input(Context& context, Tensor dy, Saved& saved) {
  const Tensor attention_dy = project_backward_input(context, projection_, dropout_, std::move(dy),
                                                     saved.inner(kProjectionPart));
  const Tensor qkv = saved.take(kQkv);
  const Tensor y = saved.take(kY);
  const Tensor log_sum_exp = saved.take(kLogSumExp);
  Tensor dqkv = context.empty(qkv.spec());
  ops::attention_backward(context.stream(), dqkv, attention_dy, y, log_sum_exp, qkv, heads_);
  if (rope_.base > 0) {
    ops::rope_backward(context.stream(), dqkv, rope_);
  }
  return qkv_.backward_input(context, std::move(dqkv), saved.inner(kQkvPart));
}

void SelfAttention::backward_weight(Context& context, Saved& saved) {
  projection_.backward_weight(context, saved.inner(kProjectionPart));
  qkv_.backward_weight(context, saved.inner(kQkvPart));
}

}  // namespace lockflight::nn
