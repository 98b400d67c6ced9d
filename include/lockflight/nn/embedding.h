// From tokens to vectors.

#pragma once

#include <cstdint>
#include <vector>

#include "lockflight/nn/layer.h"

namespace lockflight::nn {

struct EmbeddingConfig {
  std::int64_t vocabulary = 0;
  std::int64_t context = 0;  ///< longest row of tokens; without positions, rows of any length do
  std::int64_t width = 0;
  bool positions = true;  ///< false: tokens alone
  float dropout = 0;
  DType dtype = DType::f32;  ///< of y, f32 or bf16
  Initializer weight = normal(0.02);
};

/// y[b, t] = dropout(tokens[x[b, t]] + positions[t]), or without positions[t].
///   x           [rows, T]             i32, each in 0 … vocabulary - 1; T <= context
///   y           [rows, T, width]      f32 or bf16
///   tokens      [vocabulary, width]
///   positions   [context, width]      absent if EmbeddingConfig::positions is false
/// x has no gradient: backward_input returns an empty tensor.
class Embedding final : public Layer {
 public:
  /// Throws InvalidArgument unless 0 <= dropout < 1.
  explicit Embedding(EmbeddingConfig config);

  std::vector<Parameter*> parameters() override;
  /// Throws InvalidArgument if x is not of rank 2.
  Tensor forward(Context& context, Tensor x, Saved& saved) override;
  Tensor backward_input(Context& context, Tensor dy, Saved& saved) override;
  void backward_weight(Context& context, Saved& saved) override;

 private:
  const bool has_positions_;
  Parameter tokens_;
  Parameter positions_;
  const float dropout_;
  const DType dtype_;
};

}  // namespace lockflight::nn
