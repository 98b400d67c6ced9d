#include "nn/parts.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/dropout.h"
#include "lockflight/ops/elementwise.h"

namespace lockflight::nn {

void name_part(const std::string& name, Layer& part) {
  for (Parameter* parameter : part.parameters()) {
    parameter->prefix_name(name);
  }
}

std::vector<Parameter*> parameters_of(std::initializer_list<Layer*> parts) {
  std::vector<Parameter*> parameters;
  for (Layer* part : parts) {
    std::ranges::copy(part->parameters(), std::back_inserter(parameters));
  }
  return parameters;
}

TensorSpec with_columns(const TensorSpec& spec, std::int64_t columns) {
  std::array<std::int64_t, Shape::kMaxRank> extents{};
  std::ranges::copy(spec.shape.extents(), extents.begin());
  const std::size_t rank = std::max<std::size_t>(1, spec.shape.rank());
  extents[rank - 1] = columns;
  return {Shape(std::span<const std::int64_t>(extents.data(), rank)), spec.dtype};
}

Tensor reuse(Context& context, Tensor& tensor) {
  return tensor.sole_owner() ? tensor.share() : context.empty(tensor.spec());
}

float checked_dropout(float rate, std::string_view where) {
  if (!(rate >= 0 && rate < 1)) {
    throw InvalidArgument(
        fmt::format("{}: dropout is {}, but must be at least 0 and less than 1", where, rate));
  }
  return rate;
}

void check_positive(std::string_view where, std::initializer_list<NamedSize> sizes) {
  for (const auto& [name, value] : sizes) {
    if (value < 1) {
      throw InvalidArgument(
          fmt::format("{}: {} is {}, but must be at least 1", where, name, value));
    }
  }
}

void check_activations(std::string_view where, DType dtype) {
  if (dtype != DType::f32 && dtype != DType::bf16) {
    throw InvalidArgument(fmt::format("{}: activations are to be {}, but must be f32 or bf16",
                                      where, name_of(dtype)));
  }
}

Tensor dropped(Context& context, Tensor x, float rate) {
  if (!context.training || rate == 0) {
    return x;
  }
  Tensor y = reuse(context, x);
  ops::dropout(context.stream(), y, x, rate, context.random_key(0));
  return y;
}

Tensor project(Context& context, Linear& linear, float dropout, Tensor x,
               const TensorView& residual, Saved& saved) {
  const bool drops = context.training && dropout != 0;
  if (residual && !drops) {
    return linear.forward_onto(context, std::move(x), residual, saved);
  }
  Tensor y = dropped(context, linear.forward(context, std::move(x), saved), dropout);
  if (residual) {
    ops::add(context.stream(), y, y, residual);
  }
  return y;
}

Tensor project_backward_input(Context& context, Linear& linear, float dropout, Tensor dy,
                              Saved& saved) {
  return linear.backward_input(context, dropped(context, std::move(dy), dropout), saved);
}

}  // namespace lockflight::nn
