#include "lockflight/nn/parameter.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"

namespace lockflight::nn {
namespace {

using testing::Each;

TEST(ParameterTest, ValuesDependOnSeedAndFullNameAlone) {
  Parameter a("weight", {{4, 5}}, normal(1.0));
  Parameter same("weight", {{4, 5}}, normal(1.0));
  Parameter other("bias", {{4, 5}}, normal(1.0));
  EXPECT_EQ(a.initial_values(7), a.initial_values(7));
  EXPECT_EQ(a.initial_values(7), same.initial_values(7));
  EXPECT_NE(a.initial_values(7), a.initial_values(8));
  EXPECT_NE(a.initial_values(7), other.initial_values(7));
  const std::vector<float> before = a.initial_values(7);
  a.prefix_name("blocks.3");
  EXPECT_EQ(a.name(), "blocks.3.weight");
  EXPECT_NE(a.initial_values(7), before);
}

TEST(ParameterTest, StartsAsAnotherOnWhateverRankThatIs) {
  Parameter first("weight", {{4, 5}}, normal(1.0));
  Parameter second("weight", {{4, 5}}, zeros());
  first.prefix_name("embedding");
  second.prefix_name("head");
  second.start_as(first);
  EXPECT_EQ(second.initial_values(3), first.initial_values(3));
  EXPECT_EQ(second.name(), "head.weight");
}

TEST(ParameterTest, InitializersGiveWhatTheyPromise) {
  constexpr std::int64_t kCount = 100000;
  EXPECT_THAT(Parameter("a", {{9}}, zeros()).initial_values(1), Each(0.0F));
  EXPECT_THAT(Parameter("a", {{9}}, ones()).initial_values(1), Each(1.0F));

  const std::vector<float> drawn = Parameter("a", {{kCount}}, normal(0.02)).initial_values(1);
  const double mean = std::accumulate(drawn.begin(), drawn.end(), 0.0) / kCount;
  const double squares = std::inner_product(drawn.begin(), drawn.end(), drawn.begin(), 0.0);
  EXPECT_NEAR(mean, 0, 4 * 0.02 / std::sqrt(kCount));
  EXPECT_NEAR(std::sqrt(squares / kCount), 0.02, 0.0002);

  const std::vector<float> even = Parameter("a", {{kCount}}, uniform(3.0)).initial_values(1);
  const auto [least, most] = std::ranges::minmax(even);
  EXPECT_GE(least, -3.0F);
  EXPECT_LT(least, -2.99F);
  EXPECT_LE(most, 3.0F);
  EXPECT_GT(most, 2.99F);
}

TEST(ParameterTest, MaterialisesWithItsValuesAndNoGradient) {
  const auto device = make_cpu_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Parameter parameter("weight", {{3, 7}}, normal(1.0));
  EXPECT_FALSE(parameter.materialized());
  parameter.materialize(*device, *stream, 5);
  EXPECT_TRUE(parameter.materialized());
  std::vector<float> value(21);
  std::vector<float> gradient(21, 9.0F);
  stream->download(value.data(), parameter.value());
  stream->download(gradient.data(), parameter.grad());
  device->synchronize();
  EXPECT_EQ(value, parameter.initial_values(5));
  EXPECT_THAT(gradient, Each(0.0F));
}

TEST(ParameterTest, OnAMetaDeviceItHasOnlySizes) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Parameter huge("weight", {{1'000'000, 1'000'000}}, normal(1.0));
  huge.materialize(*device, *stream, 5);
  EXPECT_EQ(device->memory().in_use_bytes, 8'000'000'000'000U);
}

TEST(ParameterTest, OnlyMatricesDecay) {
  EXPECT_TRUE(Parameter("weight", {{3, 7}}, zeros()).decays());
  EXPECT_FALSE(Parameter("bias", {{7}}, zeros()).decays());
}

TEST(ParameterTest, RefusesOtherTypesThanF32) {
  EXPECT_THROW(Parameter("weight", {{3}, DType::bf16}, zeros()), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
