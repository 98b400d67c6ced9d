#include "lockflight/ops/embedding.h"

#include <array>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

struct EmbeddingCase {
  std::int64_t B;
  std::int64_t T;
  std::int64_t C;
  std::int64_t V;
};

// One token, tokens that come often, tails, more columns than one block of threads adds up.
constexpr auto kEmbeddingCases = std::to_array<EmbeddingCase>(
    {{1, 1, 1, 1}, {3, 7, 5, 2}, {2, 131, 200, 11}, {1, 33, 257, 40}, {2, 3, 1031, 4}});

class EmbeddingTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, EmbeddingTest, test::all_backends(), test::backend_name);

TEST_P(EmbeddingTest, AddsTheRowsOfTokenAndPosition) {
  for (const auto& [B, T, C, V] : kEmbeddingCases) {
    SCOPED_TRACE(C);
    const Tokens tokens = tokens_below(V, B * T);
    const Floats token_table = normal_values(V * C, "tokens");
    const Floats position_table = normal_values((T + 1) * C, "positions");
    for (const bool with_positions : {true, false}) {
      Doubles expected;
      for (std::int64_t i = 0; i < B * T; ++i) {
        for (std::int64_t j = 0; j < C; ++j) {
          const float position = with_positions ? position_table[i % T * C + j] : 0.0F;
          expected.push_back(static_cast<double>(token_table[tokens[i] * C + j] + position));
        }
      }
      expect_in_every_way(expected, 0.0, [&, B = B, T = T, C = C, V = V] {
        const TensorView y = unset({B, T, C});
        embedding(stream(), y, tensor({B, T}, tokens), tensor({V, C}, token_table),
                  with_positions ? tensor({T + 1, C}, position_table) : TensorView());
        return values(y);
      });
    }
  }
}

TEST_P(EmbeddingTest, AddsGradientsToTheRowsTheyCameFrom) {
  for (const auto& [B, T, C, V] : kEmbeddingCases) {
    SCOPED_TRACE(C);
    const Tokens tokens = tokens_below(V, B * T);
    const Floats dy = normal_values(B * T * C, "dy");
    // In f32: the order is the contract.
    Floats token_gradients(static_cast<std::size_t>(V * C), 0.5F);
    Floats position_gradients(static_cast<std::size_t>((T + 1) * C), 0.5F);
    for (std::int64_t i = 0; i < B * T; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        token_gradients[tokens[i] * C + j] += dy[i * C + j];
        position_gradients[i % T * C + j] += dy[i * C + j];
      }
    }
    for (const bool with_positions : {true, false}) {
      const Floats expected =
          with_positions ? joined(token_gradients, position_gradients) : token_gradients;
      expect_in_every_way(to_doubles(expected), 0.0, [&, B = B, T = T, C = C, V = V] {
        const TensorView dtoken = filled({V, C}, 0.5F);
        const TensorView dposition = with_positions ? filled({T + 1, C}, 0.5F) : TensorView();
        embedding_backward(stream(), dtoken, dposition, tensor({B, T, C}, dy),
                           tensor({B, T}, tokens));
        return with_positions ? values_of({dtoken, dposition}) : values(dtoken);
      });
    }
  }
}

TEST_P(EmbeddingTest, ATokenOutsideTheVocabularyFailsTheDevice) {
  for (const std::int32_t token : {-1, 3}) {
    const std::string expected = "embedding: token " + std::to_string(token) +
                                 " at position 1 is outside the vocabulary of 3";
    const Tokens tokens = {0, token};
    embedding(stream(), unset({1, 2, 2}), tensor({1, 2}, tokens), filled({3, 2}, 0.0F), {});
    EXPECT_EQ(failure(), expected);
    renew();
    embedding_backward(stream(), filled({3, 2}, 0.0F), {}, filled({1, 2, 2}, 0.0F),
                       tensor({1, 2}, tokens));
    EXPECT_EQ(failure(), expected);
    renew();
  }
}

}  // namespace
}  // namespace lockflight::ops
