// GPT-2. Source: Radford et al. 2019, "Language Models are Unsupervised Multitask Learners",
// section 2.3.

#pragma once

#include <cstdint>

#include "lockflight/nn/model.h"

namespace lockflight::nn {

struct Gpt2Config {
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;  ///< tokens in a row, T
  std::int64_t layers = 0;   ///< transformer blocks
  std::int64_t heads = 0;
  std::int64_t width = 0;    ///< C, a multiple of heads
  float dropout = 0;         ///< after the embedding and on what each half block adds
  bool tied = false;         ///< whether embedding and head share their weights
  DType dtype = DType::f32;  ///< of activations, f32 or bf16; parameters are f32
};

/// A row is `context` tokens (i32) and as many targets; the loss is CrossEntropy.  Layers:
///
///   embedding
///   blocks.0.attention, blocks.0.mlp, blocks.1.attention, …
///   final_norm
///   head
///
/// Weights are drawn from a normal distribution of standard deviation 0.02, the projections that
/// end in a residual from one smaller by sqrt(2 layers). Throws InvalidArgument if the
/// configuration cannot work.
Model gpt2(const Gpt2Config& config);

}  // namespace lockflight::nn
