#include "lockflight/nn/llama_mlp_half.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/swiglu.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr std::size_t kGateUp = 0;  // what is kept, beside what the parts keep

constexpr std::size_t kLlamaMlpNormPart = 0;
constexpr std::size_t kGateUpPart = 1;
constexpr std::size_t kLlamaMlpProjectionPart = 2;

}  // namespace

LlamaMlpHalf::LlamaMlpHalf(LlamaMlpHalfConfig config)
    : norm_(config.width),
      gate_up_({.inputs = config.width,
                .outputs = 2 * config.hidden,
                .bias = false,
                .dtype = config.dtype,
                .weight = std::move(config.weight)}),
      projection_({.inputs = config.hidden,
                   .outputs = config.width,
                   .bias = false,
                   .dtype = config.dtype,
                   .weight = std::move(config.projection)}) {
  name_part("norm", norm_);
  name_part("gate_up", gate_up_);
  name_part("projection", projection_);
}

std::vector<Parameter*> LlamaMlpHalf::parameters() {
  return parameters_of({&norm_, &gate_up_, &projection_});
}

Tensor LlamaMlpHalf::forward(Context& context, Tensor x, Saved& saved) {
  Tensor normed = norm_.forward(context, x.share(), saved.inner(kLlamaMlpNormPart));
  Tensor gate_up = gate_up_.forward(context, std::move(normed), saved.inner(kGateUpPart));
  Tensor hidden = context.empty(with_columns(gate_up.spec(), gate_up.spec().shape.columns() / 2));
  ops::swiglu(context.stream(), hidden, gate_up);
  saved.keep(std::move(gate_up));
  return projection_.forward_onto(context, std::move(hidden), x,
                                  saved.inner(kLlamaMlpProjectionPart));
}

Tensor LlamaMlpHalf::backward_input(Context& context, Tensor dy, Saved& saved) {
  const Tensor dhidden =
      projection_.backward_input(context, dy.share(), saved.inner(kLlamaMlpProjectionPart));
  Tensor gate_up = saved.take(kGateUp);  // becomes its own gradient
  ops::swiglu_backward(context.stream(), gate_up, dhidden, gate_up);
  Tensor dnormed = gate_up_.backward_input(context, std::move(gate_up), saved.inner(kGateUpPart));
  Tensor dx = norm_.backward_input(context, std::move(dnormed), saved.inner(kLlamaMlpNormPart));
  ops::accumulate(context.stream(), dx, dy);
  return dx;
}

void LlamaMlpHalf::backward_weight(Context& context, Saved& saved) {
  projection_.backward_weight(context, saved.inner(kLlamaMlpProjectionPart));
  gate_up_.backward_weight(context, saved.inner(kGateUpPart));
  norm_.backward_weight(context, saved.inner(kLlamaMlpNormPart));
}

}  // namespace lockflight::nn
