// What layers made of layers share.

#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/nn/layer.h"
#include "lockflight/nn/linear.h"

namespace lockflight::nn {

/// Puts `name` in front of the names of the part's parameters.
void name_part(const std::string& name, Layer& part);

/// The parameters of the parts, one part after another.
std::vector<Parameter*> parameters_of(std::initializer_list<Layer*> parts);

/// `spec` with another last extent.
TensorSpec with_columns(const TensorSpec& spec, std::int64_t columns);

/// A tensor like `tensor` to write a result into: itself if nobody else owns it.
Tensor reuse(Context& context, Tensor& tensor);

/// Returns rate.  Throws InvalidArgument, naming `where`, unless 0 <= rate < 1.
float checked_dropout(float rate, std::string_view where);

struct NamedSize {
  std::string_view name;
  std::int64_t value;
};

/// Throws InvalidArgument, naming `where`, unless all are at least 1.
void check_positive(std::string_view where, std::initializer_list<NamedSize> sizes);

/// Throws InvalidArgument, naming `where`, unless activations can be of this type: f32 or bf16.
void check_activations(std::string_view where, DType dtype);

/// Dropout at site 0, its own derivative: passes x on if there is nothing to drop.
Tensor dropped(Context& context, Tensor x, float rate);

/// residual + dropout(linear(x)); no residual if that is empty.
Tensor project(Context& context, Linear& linear, float dropout, Tensor x,
               const TensorView& residual, Saved& saved);

/// dx of `project`.
Tensor project_backward_input(Context& context, Linear& linear, float dropout, Tensor dy,
                              Saved& saved);

}  // namespace lockflight::nn
