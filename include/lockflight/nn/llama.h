// Llama. Source: Touvron et al. 2023 (arXiv:2302.13971), section 2.2; keys and values shared by
// groups of heads as in Touvron et al. 2023 (arXiv:2307.09288), section 2.2.

#pragma once

#include <cstdint>

#include "lockflight/nn/model.h"

namespace lockflight::nn {

struct LlamaConfig {
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;  ///< tokens in a row, T
  std::int64_t layers = 0;   ///< transformer blocks
  std::int64_t heads = 0;
  std::int64_t key_value_heads = 0;  ///< shared by groups of heads; 0: each head has its own
  std::int64_t width = 0;            ///< C, an even multiple of heads
  std::int64_t hidden = 0;           ///< of the MLP halves; usually 8/3 width, rounded up
  double rotary_base = 10000;
  DType dtype = DType::f32;  ///< of activations, f32 or bf16; parameters are f32
};

/// A row is `context` tokens (i32) and as many targets; the loss is CrossEntropy.  Layers:
///
///   embedding                of tokens alone: positions come in by rotation, in every attention
///   blocks.0.attention, blocks.0.mlp, blocks.1.attention, …
///   final_norm
///   head
///
/// No biases, no dropout, embedding and head not tied.  Weights are drawn as those of gpt2.  Throws
/// InvalidArgument if the configuration cannot work.
Model llama(const LlamaConfig& config);

}  // namespace lockflight::nn
