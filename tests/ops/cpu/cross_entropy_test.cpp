#include "ops/cpu/cross_entropy.h"

#include "lockflight/core/error.h"
#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

class CrossEntropyKernelTest : public testing::TestWithParam<MatrixShape> {};

INSTANTIATE_TEST_SUITE_P(Shapes, CrossEntropyKernelTest,
                         testing::Values(MatrixShape{1, 1}, MatrixShape{5, 3},
                                         MatrixShape{131, 257}, MatrixShape{2, 1009}));

TEST_P(CrossEntropyKernelTest, AgreesWithTheFormula) {
  const MatrixShape shape = GetParam();
  const auto [N, V] = shape;
  const Floats logits = normal_values(N * V, "logits", 4.0);
  const std::vector<std::int32_t> targets = tokens_below(V, N);
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
  expect_on_every_target(losses, 1e-6, [&](Team& team, float* result) {
    cross_entropy(team, result, logits.data(), targets.data(), shape);
  });
  Doubles both = losses;
  both.insert(both.end(), dlogits.begin(), dlogits.end());
  on_every_target(
      [&] {
        Floats initial(static_cast<std::size_t>(N));
        initial.insert(initial.end(), logits.begin(), logits.end());
        return initial;
      }(),
      [&](Team& team, float* result) {  // the gradient overwrites the logits
        cross_entropy_with_gradient(team, result, result + N, result + N, targets.data(), kFactor,
                                    shape);
      },
      [&](const Floats& result) { expect_close(result, both, 1e-6); });
}

TEST(CrossEntropyKernelTest, StandsLargeLogitsAndPassesNaNOn) {
  Floats logits(18, 0.0F);
  logits[0] = 3e4F;
  logits[9 + 8] = NAN;
  Floats losses(2);
  const std::vector<std::int32_t> targets = {1, 0};
  Team team(1);
  cross_entropy(team, losses.data(), logits.data(), targets.data(), {.rows = 2, .columns = 9});
  EXPECT_EQ(losses[0], 3e4F);
  EXPECT_TRUE(std::isnan(losses[1]));
}

TEST(CrossEntropyKernelTest, RefusesATargetOutsideTheVocabulary) {
  const Floats logits(8);
  Floats losses(2);
  Team team(1);
  for (const std::int32_t target : {-1, 4}) {
    const std::vector<std::int32_t> targets = {0, target};
    EXPECT_THROW(cross_entropy(team, losses.data(), logits.data(), targets.data(),
                               {.rows = 2, .columns = 4}),
                 InvalidArgument);
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
