#include "lockflight/nn/gpt2.h"

#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/nn/attention_half.h"
#include "lockflight/nn/cross_entropy.h"
#include "lockflight/nn/embedding.h"
#include "lockflight/nn/head.h"
#include "lockflight/nn/layer_norm.h"
#include "lockflight/nn/mlp_half.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr double kDeviation = 0.02;

void check(const Gpt2Config& config) {
  check_positive("gpt2", {{"vocabulary", config.vocabulary},
                          {"context", config.context},
                          {"layers", config.layers},
                          {"heads", config.heads},
                          {"width", config.width}});
  if (config.width % config.heads != 0) {
    throw InvalidArgument(
        fmt::format("gpt2: {} heads do not divide a width of {}; choose a width that is a "
                    "multiple of the heads",
                    config.heads, config.width));
  }
  checked_dropout(config.dropout, "gpt2");
  check_activations("gpt2", config.dtype);
}

}  // namespace

Model gpt2(const Gpt2Config& config) {
  check(config);
  const TensorSpec row{{config.context}, DType::i32};
  Model model({.inputs = {row}, .targets = {row}}, std::make_unique<CrossEntropy>());
  model.add("embedding",
            std::make_unique<Embedding>(EmbeddingConfig{.vocabulary = config.vocabulary,
                                                        .context = config.context,
                                                        .width = config.width,
                                                        .dropout = config.dropout,
                                                        .dtype = config.dtype,
                                                        .weight = normal(kDeviation)}));
  const Initializer projection =
      normal(kDeviation / std::sqrt(2.0 * static_cast<double>(config.layers)));
  for (std::int64_t block = 0; block < config.layers; ++block) {
    model.add(fmt::format("blocks.{}.attention", block),
              std::make_unique<AttentionHalf>(SelfAttentionConfig{.width = config.width,
                                                                  .heads = config.heads,
                                                                  .dropout = config.dropout,
                                                                  .dtype = config.dtype,
                                                                  .weight = normal(kDeviation),
                                                                  .projection = projection}));
    model.add(fmt::format("blocks.{}.mlp", block),
              std::make_unique<MlpHalf>(MlpHalfConfig{.width = config.width,
                                                      .hidden = 4 * config.width,
                                                      .dropout = config.dropout,
                                                      .dtype = config.dtype,
                                                      .weight = normal(kDeviation),
                                                      .projection = projection}));
  }
  model.add("final_norm", std::make_unique<LayerNorm>(config.width));
  model.add("head", std::make_unique<Head>(HeadConfig{.width = config.width,
                                                      .vocabulary = config.vocabulary,
                                                      .dtype = config.dtype,
                                                      .weight = normal(kDeviation)}));
  if (config.tied) {
    model.tie({.first = "embedding.tokens", .second = "head.weight"});
  }
  model.made_by([config] { return gpt2(config); });
  return model;
}

}  // namespace lockflight::nn
