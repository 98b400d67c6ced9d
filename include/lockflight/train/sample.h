// Text from a model of the next token.

#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "lockflight/core/random.h"
#include "lockflight/runtime/pipeline.h"

namespace lockflight::train {

struct SampleOptions {
  std::int64_t tokens = 200;  ///< how many to add
  double temperature = 1.0;   ///< what logits are divided by; 0 always takes the likeliest token
  std::int64_t top_k = 0;     ///< draw among the k likeliest tokens; 0 draws among all
  std::uint64_t seed = 1;
};

/// Draws one token: softmax(logits / temperature) over the top_k largest.  Of equal logits the
/// smaller token counts as the larger; a logit that is not a number is never drawn.  Throws
/// InvalidArgument if temperature or top_k is negative or no logit is finite.
std::int32_t draw_token(std::span<const float> logits, const SampleOptions& options,
                        Random& random);

/// Called with each token as soon as it is drawn.
using TokenSink = std::function<void(std::int32_t)>;

/// Continues `prompt`: the model sees the last T tokens, T being the context of its rows, and token
/// number n is drawn with (seed, n) alone.  The model must be causal, with tokens i32 [T] as its
/// row and logits f32 [rows, T, V], or the rows and tokens in one extent, as its output.  Returns
/// what was added.  Waits.
/// Throws InvalidArgument if the prompt is empty, an option is out of its range, or the model is
/// another one.
std::vector<std::int32_t> sample(Pipeline& pipeline, std::span<const std::int32_t> prompt,
                                 const SampleOptions& options, const TokenSink& sink = {});

}  // namespace lockflight::train
