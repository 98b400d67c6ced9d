#include "lockflight/nn/llama.h"

#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include "lockflight/nn/cross_entropy.h"
#include "lockflight/nn/embedding.h"
#include "lockflight/nn/head.h"
#include "lockflight/nn/llama_attention_half.h"
#include "lockflight/nn/llama_mlp_half.h"
#include "lockflight/nn/rms_norm.h"
#include "nn/parts.h"

namespace lockflight::nn {
namespace {

constexpr double kLlamaDeviation = 0.02;

}  // namespace

Model llama(const LlamaConfig& config) {
  check_positive("llama", {{"vocabulary", config.vocabulary},
                           {"context", config.context},
                           {"layers", config.layers},
                           {"heads", config.heads},
                           {"width", config.width},
                           {"hidden", config.hidden}});
  check_activations("llama", config.dtype);
  const TensorSpec row{{config.context}, DType::i32};
  Model model({.inputs = {row}, .targets = {row}}, std::make_unique<CrossEntropy>());
  model.add("embedding",
            std::make_unique<Embedding>(EmbeddingConfig{.vocabulary = config.vocabulary,
                                                        .width = config.width,
                                                        .positions = false,
                                                        .dtype = config.dtype,
                                                        .weight = normal(kLlamaDeviation)}));
  const Initializer projection =
      normal(kLlamaDeviation / std::sqrt(2.0 * static_cast<double>(config.layers)));
  for (std::int64_t block = 0; block < config.layers; ++block) {
    model.add(fmt::format("blocks.{}.attention", block),
              std::make_unique<LlamaAttentionHalf>(
                  LlamaAttentionHalfConfig{.width = config.width,
                                           .heads = config.heads,
                                           .key_value_heads = config.key_value_heads,
                                           .rotary_base = config.rotary_base,
                                           .dtype = config.dtype,
                                           .weight = normal(kLlamaDeviation),
                                           .projection = projection}));
    model.add(fmt::format("blocks.{}.mlp", block),
              std::make_unique<LlamaMlpHalf>(LlamaMlpHalfConfig{.width = config.width,
                                                                .hidden = config.hidden,
                                                                .dtype = config.dtype,
                                                                .weight = normal(kLlamaDeviation),
                                                                .projection = projection}));
  }
  model.add("final_norm", std::make_unique<RmsNorm>(config.width));
  model.add("head", std::make_unique<Head>(HeadConfig{.width = config.width,
                                                      .vocabulary = config.vocabulary,
                                                      .dtype = config.dtype,
                                                      .weight = normal(kLlamaDeviation)}));
  model.made_by([config] { return llama(config); });
  return model;
}

}  // namespace lockflight::nn
