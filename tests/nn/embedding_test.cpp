#include "lockflight/nn/embedding.h"

#include "lockflight/core/error.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class EmbeddingTest : public OnCpu {};

TEST_F(EmbeddingTest, AddsTheRowsOfTokenAndPosition) {
  Embedding layer({.vocabulary = 5, .context = 4, .width = 3});
  materialize(layer);
  const std::vector<float> tokens = read(layer.parameters()[0]->value());
  const std::vector<float> positions = read(layer.parameters()[1]->value());
  const std::vector<std::int32_t> x = {4, 0, 0, 2};
  const Tensor y = layer.forward(context_, tensor({{2, 2}, DType::i32}, x), saved_);
  ASSERT_EQ(y.spec(), (TensorSpec{{2, 2, 3}}));
  std::vector<double> expected;
  for (std::size_t i = 0; i < 4; ++i) {
    for (std::size_t c = 0; c < 3; ++c) {
      expected.push_back(tokens[static_cast<std::size_t>(x[i]) * 3 + c] + positions[i % 2 * 3 + c]);
    }
  }
  EXPECT_THAT(read(y), near(expected, 1e-7));
}

TEST_F(EmbeddingTest, WithoutPositionsLooksTokensUp) {
  Embedding layer({.vocabulary = 5, .width = 3, .positions = false});
  ASSERT_THAT(layer.parameters(), testing::SizeIs(1));
  materialize(layer);
  const std::vector<float> tokens = read(layer.parameters()[0]->value());
  const std::vector<std::int32_t> x = {4, 0, 0, 2};
  const Tensor y = layer.forward(context_, tensor({{1, 4}, DType::i32}, x), saved_);
  std::vector<float> expected;
  for (const std::int32_t token : x) {
    expected.insert(expected.end(), tokens.begin() + token * 3, tokens.begin() + token * 3 + 3);
  }
  EXPECT_EQ(read(y), expected);
}

TEST_F(EmbeddingTest, HasTheRightGradients) {
  for (const float dropout : {0.0F, 0.3F}) {
    Embedding layer({.vocabulary = 5, .context = 6, .width = 3, .dropout = dropout});
    EXPECT_THAT(findings(layer, {{4, 6}, DType::i32}, {.integers_below = 5}), testing::IsEmpty());
    EXPECT_THAT(findings(layer, {{4, 2}, DType::i32}, {.integers_below = 5}), testing::IsEmpty());
    Embedding tokens({.vocabulary = 5, .width = 3, .positions = false, .dropout = dropout});
    EXPECT_THAT(findings(tokens, {{4, 6}, DType::i32}, {.integers_below = 5}), testing::IsEmpty());
  }
}

TEST_F(EmbeddingTest, RefusesInputsThatAreNoTokens) {
  Embedding layer({.vocabulary = 5, .context = 4, .width = 3});
  materialize(layer);
  EXPECT_THROW(layer.forward(context_, device_->empty({{2, 2, 2}, DType::i32}), saved_),
               InvalidArgument);
  EXPECT_THROW(layer.forward(context_, device_->empty({{2, 2}}), saved_), InvalidArgument);
  EXPECT_THROW(layer.forward(context_, device_->empty({{2, 5}, DType::i32}), saved_),
               InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
