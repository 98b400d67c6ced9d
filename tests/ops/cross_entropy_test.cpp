#include "lockflight/ops/cross_entropy.h"

#include <cmath>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class CrossEntropyTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, CrossEntropyTest, test::all_backends(), test::backend_name);

TEST_P(CrossEntropyTest, AgreesWithTheFormula) {
  for (const auto& [N, V] : {Extents{1, 1}, Extents{5, 3}, Extents{131, 257}, Extents{2, 1031}}) {
    SCOPED_TRACE(V);
    const Floats logits = normal_values(N * V, "logits", 4.0);
    const Tokens targets = tokens_below(V, N);
    constexpr float kFactor = 0.37F;
    Doubles losses;
    Doubles dlogits;
    for (std::int64_t i = 0; i < N; ++i) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < V; ++j) {
        sum += std::exp(static_cast<double>(logits[i * V + j]));
      }
      losses.push_back(std::log(sum) - static_cast<double>(logits[i * V + targets[i]]));
      for (std::int64_t j = 0; j < V; ++j) {
        const double softmax = std::exp(static_cast<double>(logits[i * V + j])) / sum;
        dlogits.push_back(static_cast<double>(kFactor) * (softmax - (targets[i] == j ? 1.0 : 0.0)));
      }
    }
    expect_in_every_way(losses, 1e-6, [&, N = N, V = V] {
      const TensorView result = unset({N});
      cross_entropy(stream(), result, tensor({1, N, V}, logits), tensor({1, N}, targets));
      return values(result);
    });
    for (const bool in_place : {false, true}) {
      expect_in_every_way(joined(losses, dlogits), 1e-6, [&, N = N, V = V] {
        const TensorView result = unset({N});
        const TensorView x = tensor({N, V}, logits);
        const TensorView dx = in_place ? x : unset({N, V});
        cross_entropy_with_gradient(stream(), result, dx, x, tensor({N}, targets), kFactor);
        return values_of({result, dx});
      });
    }
  }
}

TEST_P(CrossEntropyTest, StandsLargeAndMaskedLogitsAndPassesNaNOn) {
  Floats logits(27, 0.0F);
  logits[0] = 3e4F;
  logits[9 + 8] = NAN;
  std::fill(logits.begin() + 18, logits.begin() + 25, -INFINITY);
  const TensorView losses = unset({3});
  const TensorView x = tensor({3, 9}, logits);
  cross_entropy_with_gradient(stream(), losses, x, x, tensor({3}, Tokens{1, 0, 7}), 1.0F);
  const Floats loss = values(losses);
  EXPECT_EQ(loss[0], 3e4F);
  EXPECT_TRUE(std::isnan(loss[1]));
  EXPECT_FLOAT_EQ(loss[2], std::log(2.0F));
  const Floats dx = values(x);
  EXPECT_EQ(dx[0], 1.0F);
  EXPECT_EQ(dx[1], -1.0F);
  EXPECT_EQ(dx[18], 0.0F);
  EXPECT_FLOAT_EQ(dx[18 + 7], -0.5F);
}

TEST_P(CrossEntropyTest, ATargetOutsideTheVocabularyFailsTheDevice) {
  for (const std::int32_t target : {-1, 4}) {
    cross_entropy(stream(), unset({2}), filled({2, 4}, 0.0F), tensor({2}, Tokens{0, target}));
    EXPECT_EQ(failure(), "cross_entropy: target " + std::to_string(target) +
                             " at position 1 is outside the vocabulary of 4");
    renew();
  }
}

}  // namespace
}  // namespace lockflight::ops
