// The shapes of the reference model and memory to run it in: 6 layers, width 384, 6 heads, 256
// positions, 256 tokens; micro-batches of 2 rows, 8 of them a step.

#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>
#include <vector>

#include <sys/mman.h>

#include "ops/cpu/attention.h"
#include "ops/cpu/embedding.h"

namespace lockflight::benchmarks {

using ops::cpu::MatrixShape;

inline constexpr std::int64_t kLayers = 6;
inline constexpr std::int64_t B = 2;
inline constexpr std::int64_t T = 256;
inline constexpr std::int64_t C = 384;
inline constexpr std::int64_t H = 6;
inline constexpr std::int64_t V = 256;
inline constexpr std::int64_t N = B * T;
inline constexpr std::int64_t kMicroBatches = 8;
inline constexpr MatrixShape kNarrow{.rows = N, .columns = C};
inline constexpr MatrixShape kWide{.rows = N, .columns = 4 * C};
inline constexpr ops::cpu::AttentionShape kAttention{
    .batch = B, .length = T, .heads = H, .key_value_heads = H, .channels = C};
inline constexpr ops::cpu::EmbeddingShape kEmbedding{
    .batch = B, .length = T, .channels = C, .vocabulary = V};

// Floats in huge pages, touched.
class Arena {
 public:
  explicit Arena(std::int64_t count) {
    constexpr std::size_t kHugePage = 2U << 20;
    const std::size_t bytes =
        (static_cast<std::size_t>(count) * sizeof(float) + kHugePage - 1) / kHugePage * kHugePage;
    data_.reset(static_cast<float*>(std::aligned_alloc(kHugePage, bytes)));
    madvise(data_.get(), bytes, MADV_HUGEPAGE);
    std::uint32_t state = 1;
    for (std::size_t i = 0; i < bytes / sizeof(float); ++i) {
      state = state * 1664525U + 1013904223U;
      data_.get()[i] = (static_cast<float>(state >> 8) * 0x1p-24F - 0.5F) * 0.1F;
    }
  }

  float* take(std::int64_t count) {
    float* taken = data_.get() + used_;
    used_ += (count + 15) / 16 * 16;
    return taken;
  }

 private:
  struct Free {
    void operator()(float* data) const { std::free(data); }
  };
  std::unique_ptr<float, Free> data_;
  std::int64_t used_ = 0;
};

inline std::vector<std::int32_t> some_tokens() {
  std::vector<std::int32_t> tokens(N);
  for (std::int64_t i = 0; i < N; ++i) {
    tokens[static_cast<std::size_t>(i)] = static_cast<std::int32_t>(i * i % 251);
  }
  return tokens;
}

}  // namespace lockflight::benchmarks
