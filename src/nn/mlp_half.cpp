#include "lockflight/nn/mlp_half.h"

#include <utility>

#include "lockflight/ops/elementwise.h"
#include "lockflight/ops/gelu.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr std::size_t kExpanded = 0;  // what is kept, beside what the parts keep

constexpr std::size_t kMlpNormPart = 0;
constexpr std::size_t kExpandPart = 1;
constexpr std::size_t kMlpProjectionPart = 2;

}  // namespace

MlpHalf::MlpHalf(MlpHalfConfig config)
    : dropout_(checked_dropout(config.dropout, "mlp")),
      norm_(config.width),
      expand_({.inputs = config.width,
               .outputs = config.hidden,
               .dtype = config.dtype,
               .weight = std::move(config.weight)}),
      projection_({.inputs = config.hidden,
                   .outputs = config.width,
                   .dtype = config.dtype,
                   .weight = std::move(config.projection)}) {
  name_part("norm", norm_);
  name_part("expand", expand_);
  name_part("projection", projection_);
}

std::vector<Parameter*> MlpHalf::parameters() {
  return parameters_of({&norm_, &expand_, &projection_});
}

Tensor MlpHalf::forward(Context& context, Tensor x, Saved& saved) {
  Tensor normed = norm_.forward(context, x.share(), saved.inner(kMlpNormPart));
  Tensor expanded = expand_.forward(context, std::move(normed), saved.inner(kExpandPart));
  Tensor hidden = context.empty(expanded.spec());
  ops::gelu(context.stream(), hidden, expanded);
  saved.keep(std::move(expanded));
  return project(context, projection_, dropout_, std::move(hidden), x,
                 saved.inner(kMlpProjectionPart));
}

Tensor MlpHalf::backward_input(Context& context, Tensor dy, Saved& saved) {
  Tensor dhidden = project_backward_input(context, projection_, dropout_, dy.share(),
                                          saved.inner(kMlpProjectionPart));
  const Tensor expanded = saved.take(kExpanded);
  ops::gelu_backward(context.stream(), dhidden, dhidden, expanded);
  Tensor dnormed = expand_.backward_input(context, std::move(dhidden), saved.inner(kExpandPart));
  Tensor dx = norm_.backward_input(context, std::move(dnormed), saved.inner(kMlpNormPart));
  ops::accumulate(context.stream(), dx, dy);
  return dx;
}

void MlpHalf::backward_weight(Context& context, Saved& saved) {
  projection_.backward_weight(context, saved.inner(kMlpProjectionPart));
  expand_.backward_weight(context, saved.inner(kExpandPart));
  norm_.backward_weight(context, saved.inner(kMlpNormPart));
}

}  // namespace lockflight::nn
