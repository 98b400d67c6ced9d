#include "lockflight/core/random.h"

#include <array>
#include <cmath>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockflight {
namespace {

using testing::ElementsAre;

// The three known answers of philox4x32-10 that the paper's authors publish with Random123
// (kat_vectors), as counter and key.
TEST(PhiloxTest, GivesThePublishedAnswers) {
  EXPECT_THAT(philox({}, 0), ElementsAre(0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8));

  constexpr std::uint32_t kOnes = 0xffffffff;
  const RandomKey ones{.seed = 0xffffffffffffffff, .step = 0, .layer = kOnes, .micro_batch = kOnes};
  EXPECT_THAT(philox(ones, 0xffffffffffffffff),
              ElementsAre(0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd));

  // The digits of pi; the counter's second word is the step, then the index's upper half.
  RandomKey pi{.seed = 0x299f31d0a4093822,
               .step = 0x85a308d3,
               .layer = 0x13198a2e,
               .micro_batch = 0x03707344};
  const auto answer = ElementsAre(0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1);
  EXPECT_THAT(philox(pi, 0x243f6a88), answer);
  pi.step = 0;
  EXPECT_THAT(philox(pi, 0x85a308d3243f6a88), answer);
}

TEST(PhiloxTest, DependsOnEveryPartOfItsKey) {
  const auto base = philox({}, 0);
  EXPECT_NE(philox({.seed = 1}, 0), base);
  EXPECT_NE(philox({.seed = std::uint64_t{1} << 32}, 0), base);
  EXPECT_NE(philox({.step = 1}, 0), base);
  EXPECT_NE(philox({.layer = 1}, 0), base);
  EXPECT_NE(philox({.micro_batch = 1}, 0), base);
  EXPECT_NE(philox({}, 1), base);
}

TEST(RandomTest, DrawsTheWordsOfConsecutiveBlocks) {
  const RandomKey key{.seed = 5, .step = 2, .layer = 3, .micro_batch = 1};
  Random random(key);
  for (std::uint64_t i = 0; i < 13; ++i) {
    EXPECT_EQ(random.next_u32(), philox(key, i / 4)[i % 4]) << i;
  }
}

TEST(RandomTest, PutsTheFirstWordBelowTheSecond) {
  Random random({.seed = 9});
  const auto block = philox({.seed = 9}, 0);
  EXPECT_EQ(random.next_u64(), (std::uint64_t{block[1]} << 32) | block[0]);
}

struct Moments {
  double mean = 0;
  double variance = 0;
  double skewness = 0;
  double kurtosis = 0;
};

Moments moments_of(const std::vector<double>& samples) {
  const auto n = static_cast<double>(samples.size());
  Moments moments;
  for (const double x : samples) {
    moments.mean += x / n;
  }
  for (const double x : samples) {
    moments.variance += std::pow(x - moments.mean, 2) / n;
  }
  for (const double x : samples) {
    const double z = (x - moments.mean) / std::sqrt(moments.variance);
    moments.skewness += std::pow(z, 3) / n;
    moments.kurtosis += std::pow(z, 4) / n;
  }
  return moments;
}

constexpr int kSamples = 200000;

// Bounds are about five standard errors at kSamples.
TEST(RandomTest, UniformNumbersHaveTheMomentsOfTheUniformDistribution) {
  Random random({.seed = 1});
  std::vector<double> samples;
  for (int i = 0; i < kSamples; ++i) {
    samples.push_back(random.next_uniform());
    ASSERT_GE(samples.back(), 0.0);
    ASSERT_LT(samples.back(), 1.0);
  }
  const Moments moments = moments_of(samples);
  EXPECT_NEAR(moments.mean, 0.5, 0.0033);
  EXPECT_NEAR(moments.variance, 1.0 / 12, 0.0009);
  EXPECT_NEAR(moments.skewness, 0, 0.02);
  EXPECT_NEAR(moments.kurtosis, 1.8, 0.02);
}

TEST(RandomTest, NormalNumbersHaveTheMomentsOfTheNormalDistribution) {
  Random random({.seed = 2});
  std::vector<double> samples;
  for (int i = 0; i < kSamples; ++i) {
    samples.push_back(random.next_normal());
    ASSERT_TRUE(std::isfinite(samples.back()));
  }
  const Moments moments = moments_of(samples);
  EXPECT_NEAR(moments.mean, 0, 0.0112);
  EXPECT_NEAR(moments.variance, 1, 0.016);
  EXPECT_NEAR(moments.skewness, 0, 0.028);
  EXPECT_NEAR(moments.kurtosis, 3, 0.055);
}

TEST(RandomTest, NumbersBelowABoundStayBelowItAndComeEquallyOften) {
  for (const std::uint64_t bound : {1, 2, 3, 7, 10, 97}) {
    Random random({.seed = bound});
    std::vector<int> counts(bound);
    for (int i = 0; i < kSamples; ++i) {
      const std::uint64_t value = random.next_below(bound);
      ASSERT_LT(value, bound);
      ++counts[value];
    }
    const double expected = static_cast<double>(kSamples) / static_cast<double>(bound);
    double chi_square = 0;
    for (const int count : counts) {
      chi_square += std::pow(count - expected, 2) / expected;
    }
    const auto freedom = static_cast<double>(bound - 1);
    EXPECT_LE(chi_square, freedom + 5 * std::sqrt(2 * freedom)) << "bound " << bound;
  }
}

// A product without rejection would give every third value of this bound twice as often.
TEST(RandomTest, NumbersBelowALargeBoundHaveNoBias) {
  constexpr std::uint64_t kBound = std::uint64_t{3} << 62;
  Random random({.seed = 3});
  std::array<int, 3> counts{};
  for (int i = 0; i < kSamples; ++i) {
    const std::uint64_t value = random.next_below(kBound);
    ASSERT_LT(value, kBound);
    ++counts[value % 3];
  }
  for (const int count : counts) {
    EXPECT_NEAR(count, kSamples / 3.0, 1100);
  }
}

TEST(HashNameTest, IsXxh64) {
  EXPECT_EQ(hash_name(""), 0xef46db3751d8e999U);  // published by xxHash
  EXPECT_EQ(hash_name("abc"), 0x44bc2cf5ad770999U);
  EXPECT_NE(hash_name("block0.attention.weight"), hash_name("block1.attention.weight"));
}

}  // namespace
}  // namespace lockflight
