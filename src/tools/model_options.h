// Which GPT a command is about.

#pragma once

#include <cstdint>
#include <string>

namespace lockflight::tools {

struct ModelOptions {
  std::int64_t layers = 4;  ///< transformer blocks
  std::int64_t width = 128;
  std::int64_t heads = 4;
  std::int64_t context = 128;
  std::int64_t vocabulary = 0;  ///< 0: by the data, 256 for text and 50257 for .bin
  double dropout = 0;
  bool tied = false;
  std::string dtype = "f32";  ///< of activations and products: f32 or bf16

  friend bool operator==(const ModelOptions&, const ModelOptions&) = default;
};

}  // namespace lockflight::tools
