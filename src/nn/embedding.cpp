#include "lockflight/nn/embedding.h"

#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/ops/embedding.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

// What is kept.
constexpr std::size_t kTokens = 0;
constexpr std::size_t kEmbeddingDy = 1;

}  // namespace

Embedding::Embedding(EmbeddingConfig config)
    : has_positions_(config.positions),
      tokens_("tokens", {{config.vocabulary, config.width}}, config.weight),
      positions_("positions", {{config.context, config.width}}, config.weight),
      dropout_(checked_dropout(config.dropout, "embedding")),
      dtype_(config.dtype) {}

std::vector<Parameter*> Embedding::parameters() {
  return has_positions_ ? std::vector{&tokens_, &positions_} : std::vector{&tokens_};
}

Tensor Embedding::forward(Context& context, Tensor x, Saved& saved) {
  const Shape& shape = x.spec().shape;
  if (shape.rank() != 2) {
    throw InvalidArgument(
        fmt::format("embedding: tokens are {}, expected [rows, T] of i32", to_string(x.spec())));
  }
  Tensor y = context.empty({{shape[0], shape[1], tokens_.spec().shape[1]}, dtype_});
  ops::embedding(context.stream(), y, x, tokens_.value(),
                 positions_.value());  // empty if there are none
  saved.keep(std::move(x));
  return dropped(context, std::move(y), dropout_);
}

Tensor Embedding::backward_input(Context& context, Tensor dy, Saved& saved) {
  saved.keep(dropped(context, std::move(dy), dropout_));
  return {};
}

void Embedding::backward_weight(Context& context, Saved& saved) {
  ops::embedding_backward(context.stream(), tokens_.grad(), positions_.grad(), saved[kEmbeddingDy],
                          saved[kTokens]);
}

}  // namespace lockflight::nn
