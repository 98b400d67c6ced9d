#include "ops/cpu/embedding.h"

#include "lockflight/core/error.h"
#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {

static void PrintTo(const EmbeddingShape& shape, std::ostream* out) {
  *out << "B" << shape.batch << "_T" << shape.length << "_C" << shape.channels << "_V"
       << shape.vocabulary;
}

namespace {

class EmbeddingKernelTest : public testing::TestWithParam<EmbeddingShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, EmbeddingKernelTest,
                         testing::Values(EmbeddingShape{1, 1, 1, 1}, EmbeddingShape{3, 7, 5, 2},
                                         EmbeddingShape{2, 131, 200, 11}));

TEST_P(EmbeddingKernelTest, AddsTheRowsOfTokenAndPosition) {
  const EmbeddingShape shape = GetParam();
  const auto [B, T, C, V] = shape;
  const std::vector<std::int32_t> tokens = tokens_below(V, B * T);
  const Floats tokens_table = normal_values(V * C, "tokens");
  const Floats positions_table = normal_values((T + 1) * C, "positions");
  for (const bool with_positions : {true, false}) {
    Doubles expected;
    for (std::int64_t i = 0; i < B * T; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        const float position = with_positions ? positions_table[i % T * C + j] : 0.0F;
        expected.push_back(static_cast<double>(tokens_table[tokens[i] * C + j] + position));
      }
    }
    expect_on_every_target(expected, 0.0, [&](Team& team, float* y) {
      embedding(team, y, tokens.data(), tokens_table.data(),
                with_positions ? positions_table.data() : nullptr, shape);
    });
  }
}

TEST_P(EmbeddingKernelTest, AddsGradientsToTheRowsTheyCameFrom) {
  const EmbeddingShape shape = GetParam();
  const auto [B, T, C, V] = shape;
  const std::vector<std::int32_t> tokens = tokens_below(V, B * T);
  const Floats dy = normal_values(B * T * C, "dy");
  Floats expected(static_cast<std::size_t>((V + T) * C),
                  0.5F);  // in f32: the order is the contract
  for (std::int64_t i = 0; i < B * T; ++i) {
    for (std::int64_t j = 0; j < C; ++j) {
      expected[tokens[i] * C + j] += dy[i * C + j];
      expected[(V + i % T) * C + j] += dy[i * C + j];
    }
  }
  expect_on_every_target(
      to_doubles(expected), 0.0,
      [&](Team& team, float* gradients) {
        embedding_backward(team, gradients, gradients + V * C, dy.data(), tokens.data(), shape);
      },
      0.5F);
}

TEST(EmbeddingKernelTest, RefusesATokenOutsideTheVocabulary) {
  const EmbeddingShape shape{.batch = 1, .length = 2, .channels = 1, .vocabulary = 3};
  Floats table(3);
  Floats y(2);
  Team team(1);
  for (const std::int32_t token : {-1, 3}) {
    const std::vector<std::int32_t> tokens = {0, token};
    EXPECT_THROW(embedding(team, y.data(), tokens.data(), table.data(), nullptr, shape),
                 InvalidArgument);
    EXPECT_THROW(embedding_backward(team, table.data(), nullptr, y.data(), tokens.data(), shape),
                 InvalidArgument);
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
