// Published models that can be asked for by name.

#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <variant>

#include "lockflight/nn/gpt2.h"
#include "lockflight/nn/llama.h"
#include "lockflight/nn/model.h"

namespace lockflight::nn {

struct NamedModel {
  std::string_view name;  // as it is written on a command line
  std::string_view source;
  std::variant<Gpt2Config, LlamaConfig> config;

  /// Tokens in a row as published.
  std::int64_t context() const;
  /// The model, untrained, with activations of `dtype`; with rows of `context` tokens unless that
  /// is 0, then as published.  Throws InvalidArgument if context is negative or dtype neither f32
  /// nor bf16.
  Model build(std::int64_t context = 0, DType dtype = DType::f32) const;
};

/// Every model that find_model knows, in the order in which a list shows them.  Those of GPT-3 have
/// the attention of GPT-2 in all layers, where the publication alternates it with sparse attention.
std::span<const NamedModel> named_models();

/// The model of that name, upper or lower case.  Throws InvalidArgument if there is no such name.
const NamedModel& find_model(std::string_view name);

}  // namespace lockflight::nn
