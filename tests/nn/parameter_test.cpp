#include "lockflight/nn/parameter.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/bfloat16.h"
#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/ops/elementwise.h"

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

class WorkingCopyTest : public testing::Test {
 protected:
  WorkingCopyTest() { parameter_.materialize(*device_, *stream_, 5); }

  template <typename T>
  std::vector<T> read(const TensorView& view) {
    std::vector<T> values(static_cast<std::size_t>(view.elements()));
    stream_->download(values.data(), view);
    device_->synchronize();
    return values;
  }

  /// That the copy is the value, rounded.
  void expect_up_to_date() {
    ASSERT_EQ(parameter_.compute().spec(), (TensorSpec{{3, 7}, DType::bf16}));
    std::vector<BFloat16> rounded;
    for (const float value : read<float>(parameter_.value())) {
      rounded.emplace_back(value);
    }
    EXPECT_EQ(read<BFloat16>(parameter_.compute()), rounded);
  }

  const std::unique_ptr<Device> device_ = make_cpu_device();
  const std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  Parameter parameter_{"weight", {{3, 7}}, normal(1.0), DType::bf16};
};

TEST_F(WorkingCopyTest, IsTheValueRoundedWheneverThatIsSet) {
  EXPECT_EQ(read<float>(parameter_.value()), parameter_.initial_values(5));
  expect_up_to_date();
  const std::vector<float> values(21, 0x1.0101p3F);
  parameter_.set(*stream_, values);
  EXPECT_EQ(read<float>(parameter_.value()), values);
  expect_up_to_date();
  EXPECT_THROW(parameter_.set(*stream_, std::vector<float>(20)), InvalidArgument);
}

TEST_F(WorkingCopyTest, IsRefreshedBehindAnOperationThatWritesTheValue) {
  ops::scale(*stream_, parameter_.value(), parameter_.value(), 3.0F);
  parameter_.refresh(*stream_);
  expect_up_to_date();
}

TEST_F(WorkingCopyTest, TakesHalfAsMuchMemoryAgain) {
  EXPECT_EQ(parameter_.gradient_bytes(), 256U);
  EXPECT_EQ(parameter_.value_bytes(), 2 * 256U);
  EXPECT_EQ(device_->memory().in_use_bytes, parameter_.value_bytes() + parameter_.gradient_bytes());
  parameter_.dematerialize();
  EXPECT_EQ(device_->memory().in_use_bytes, 0U);

  const auto meta = make_meta_device();
  const auto stream = meta->make_stream(StreamRole::compute);
  Parameter large("weight", {{1000, 1000}}, zeros(), DType::bf16);
  EXPECT_EQ(large.value_bytes(), aligned_bytes(4'000'000) + aligned_bytes(2'000'000));
  large.materialize(*meta, *stream, 5);
  EXPECT_EQ(meta->memory().in_use_bytes, large.value_bytes() + large.gradient_bytes());
}

TEST(ParameterTest, WithoutAWorkingCopyProductsReadTheValue) {
  const auto device = make_cpu_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Parameter parameter("weight", {{3, 7}}, normal(1.0));
  parameter.materialize(*device, *stream, 5);
  EXPECT_EQ(parameter.compute().data(), parameter.value().data());
  EXPECT_EQ(parameter.value_bytes(), parameter.gradient_bytes());
  parameter.refresh(*stream);  // nothing to do
  device->synchronize();
}

TEST(ParameterTest, OnlyMatricesDecay) {
  EXPECT_TRUE(Parameter("weight", {{3, 7}}, zeros()).decays());
  EXPECT_FALSE(Parameter("bias", {{7}}, zeros()).decays());
}

TEST(ParameterTest, RefusesOtherTypesThanF32) {
  EXPECT_THROW(Parameter("weight", {{3}, DType::bf16}, zeros()), InvalidArgument);
  EXPECT_THROW(Parameter("weight", {{3}}, zeros(), DType::f64), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
