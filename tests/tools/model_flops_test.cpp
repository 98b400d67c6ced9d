#include "tools/model_flops.h"

#include <gtest/gtest.h>

#include "lockflight/nn/gpt2.h"

namespace lockflight::tools {
namespace {

// The usual count: 6 for every weight that multiplies a token, and the two products of attention
// over the pairs that the mask leaves, forward and twice backward.
TEST(ModelFlopsTest, AreSixForEveryWeightAndTokenAndThePairsOfAttention) {
  constexpr std::int64_t T = 64;
  constexpr std::int64_t C = 64;
  constexpr std::int64_t V = 256;
  constexpr std::int64_t L = 3;
  constexpr std::int64_t rows = 2;
  nn::Model model = nn::gpt2({.vocabulary = V, .context = T, .layers = L, .heads = 2, .width = C});
  const double weights = 6.0 * (12 * L * C * C + V * C) * T * rows;
  const double attention = 3.0 * 2 * 2 * (T * (T + 1) / 2.0) * C * L * rows;
  // Biases, which are added within products, are a few thousandths.
  EXPECT_NEAR(model_flops(model, rows) / (weights + attention), 1, 3e-3);
}

}  // namespace
}  // namespace lockflight::tools
