#include "lockflight/train/sample.h"

#include <cmath>
#include <limits>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/launch.h"
#include "lockflight/nn/model.h"
#include "lockflight/plan/plan.h"
#include "train/error_text.h"
#include "train/small_model.h"

namespace lockflight::train {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

using Tokens = std::vector<std::int32_t>;

std::vector<int> counts_of(const std::vector<float>& logits, const SampleOptions& options,
                           int draws) {
  Random random({.seed = 4});
  std::vector<int> counts(logits.size());
  for (int i = 0; i < draws; ++i) {
    ++counts[static_cast<std::size_t>(draw_token(logits, options, random))];
  }
  return counts;
}

void expect_frequencies(const std::vector<int>& counts, const std::vector<double>& weights) {
  const double draws = std::accumulate(counts.begin(), counts.end(), 0.0);
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const double p = weights[i] / sum;
    EXPECT_NEAR(counts[i], draws * p, 5 * std::sqrt(draws * p * (1 - p))) << i;
  }
}

TEST(DrawTokenTest, FollowsTheSoftmaxAtEveryTemperature) {
  const std::vector<float> logits = {0.5F, -1.0F, 2.0F, 0.0F};
  for (const double temperature : {0.5, 1.0, 3.0}) {
    std::vector<double> weights;
    for (const float logit : logits) {
      weights.push_back(std::exp(static_cast<double>(logit) / temperature));
    }
    expect_frequencies(counts_of(logits, {.temperature = temperature}, 50000), weights);
  }
}

TEST(DrawTokenTest, TopKLeavesOutAllOthers) {
  const std::vector<float> logits = {0.5F, -1.0F, 2.0F, 0.0F};
  expect_frequencies(counts_of(logits, {.top_k = 2}, 50000), {std::exp(0.5), 0, std::exp(2.0), 0});
  EXPECT_THAT(counts_of(logits, {.top_k = 1}, 100), ElementsAre(0, 0, 100, 0));
  expect_frequencies(counts_of(logits, {.top_k = 99}, 50000),
                     {std::exp(0.5), std::exp(-1.0), std::exp(2.0), 1});
  // Of equal logits the smaller tokens.
  EXPECT_THAT(counts_of({1, 1, 1}, {.temperature = 1e-3, .top_k = 2}, 100)[2], 0);
}

TEST(DrawTokenTest, TemperatureZeroTakesTheLargestAndOfEqualOnesTheFirst) {
  EXPECT_THAT(counts_of({1, 3, 3, 2}, {.temperature = 0}, 50), ElementsAre(0, 50, 0, 0));
}

TEST(DrawTokenTest, LargeLogitsAndTinyTemperaturesDoNotOverflow) {
  EXPECT_THAT(counts_of({3e38F, -3e38F}, {.temperature = 1e-300}, 10), ElementsAre(10, 0));
}

TEST(DrawTokenTest, NeverDrawsWhatIsNoNumber) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const float infinity = std::numeric_limits<float>::infinity();
  const auto counts = counts_of({nan, 0, -infinity, 0}, {}, 1000);
  EXPECT_EQ(counts[0] + counts[2], 0);
  EXPECT_GT(counts[1] * counts[3], 0);
  EXPECT_THAT(error_text<InvalidArgument>([&] {
                counts_of({nan, nan}, {}, 1);
              }),
              HasSubstr("none of the 2 logits is finite"));
}

TEST(DrawTokenTest, RefusesWhatCannotWork) {
  EXPECT_THROW(counts_of({1}, {.temperature = -1}, 1), InvalidArgument);
  EXPECT_THROW(counts_of({1}, {.temperature = std::nan("")}, 1), InvalidArgument);
  EXPECT_THROW(counts_of({1}, {.top_k = -1}, 1), InvalidArgument);
}

constexpr std::int64_t kContext = 4;
constexpr std::int64_t kVocabulary = 7;

// logits[t][v] is largest where v = sum of the tokens up to t, modulo V: causal, and what follows
// is easily counted.
class SumOfTokens final : public nn::Layer {
 public:
  Tensor forward(nn::Context& context, Tensor x, nn::Saved& /*saved*/) override {
    Tensor y = context.empty({{x.spec().shape[0], kContext, kVocabulary}, DType::f32});
    cpu::launch(context.stream(), {.name = "sum_of_tokens"},
                [x = x.view(), y = y.view()](cpu::Team& /*team*/) {
                  for (std::int64_t row = 0; row < x.shape()[0]; ++row) {
                    std::int64_t sum = 0;
                    for (std::int64_t t = row * kContext; t < (row + 1) * kContext; ++t) {
                      sum += x.as<std::int32_t>()[t];
                      for (std::int64_t v = 0; v < kVocabulary; ++v) {
                        y.as<float>()[t * kVocabulary + v] = v == sum % kVocabulary ? 2.0F : 0.0F;
                      }
                    }
                  }
                });
    return y;
  }
};

Pipeline counting_pipeline(World& world) {
  const TensorSpec row{{kContext}, DType::i32};
  nn::Model model({.inputs = {row}, .targets = {row}}, std::make_unique<SquaredError>());
  model.add("sum", std::make_unique<SumOfTokens>());
  const Plan plan = make_plan(model, world, {.schedule = "forward-only"});
  return {world, std::move(model), plan};
}

class SampleTest : public testing::Test {
 protected:
  World world_ = World::threads({.ranks = 1});
  Pipeline pipeline_ = counting_pipeline(world_);
};

TEST_F(SampleTest, EachTokenFollowsFromTheLastOnesInTheContext) {
  Tokens expected = {1, 2};
  while (expected.size() < 14) {
    const auto begin = expected.end() - std::min<std::ptrdiff_t>(kContext, std::ssize(expected));
    expected.push_back(std::accumulate(begin, expected.end(), 0) % 7);
  }
  expected.erase(expected.begin(), expected.begin() + 2);
  Tokens seen;
  EXPECT_EQ(sample(pipeline_, Tokens{1, 2}, {.tokens = 12, .temperature = 0},
                   [&](std::int32_t token) { seen.push_back(token); }),
            expected);
  EXPECT_EQ(seen, expected);
}

TEST_F(SampleTest, APromptLongerThanTheContextCountsWithItsEnd) {
  const SampleOptions greedy{.tokens = 5, .temperature = 0};
  EXPECT_EQ(sample(pipeline_, Tokens{6, 6, 6, 1, 2, 3, 4}, greedy),
            sample(pipeline_, Tokens{1, 2, 3, 4}, greedy));
}

TEST_F(SampleTest, TheSeedDecidesAndAShorterSampleIsTheBeginningOfALongerOne) {
  const SampleOptions options{.tokens = 30, .seed = 5};
  const Tokens tokens = sample(pipeline_, Tokens{3}, options);
  EXPECT_EQ(sample(pipeline_, Tokens{3}, options), tokens);
  SampleOptions changed = options;
  changed.seed = 6;
  EXPECT_NE(sample(pipeline_, Tokens{3}, changed), tokens);
  changed = options;
  changed.tokens = 10;
  EXPECT_EQ(sample(pipeline_, Tokens{3}, changed), Tokens(tokens.begin(), tokens.begin() + 10));
}

TEST_F(SampleTest, RefusesAnEmptyPromptAndModelsOfSomethingElse) {
  EXPECT_THROW(sample(pipeline_, Tokens{}, {}), InvalidArgument);
  EXPECT_THROW(sample(pipeline_, Tokens{1}, {.tokens = -1}), InvalidArgument);
  SmallPipeline small(1);
  EXPECT_THAT(error_text<InvalidArgument>([&] { sample(small.pipeline, Tokens{1}, {}); }),
              HasSubstr("does not take rows of tokens"));
}

}  // namespace
}  // namespace lockflight::train
