#include "lockflight/device/tensor.h"

#include <array>
#include <utility>

#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"

namespace lockflight {
namespace {

TEST(TensorViewTest, SlicesAlongTheOutermostExtent) {
  std::array<float, 24> elements{};
  const TensorView whole(reinterpret_cast<std::byte*>(elements.data()), {{4, 3, 2}});
  const TensorView part = whole.slice(1, 2);
  EXPECT_EQ(part.shape(), (Shape{2, 3, 2}));
  EXPECT_EQ(part.as<float>(), elements.data() + 6);
  EXPECT_EQ(part.bytes(), 48U);
  EXPECT_EQ(part.slice(1, 1).as<float>(), elements.data() + 12);
  EXPECT_EQ(whole.slice(4, 0).elements(), 0);
}

TEST(TensorViewTest, SlicesOfTypesOtherThanF32) {
  std::array<double, 6> elements{};
  const TensorView whole(reinterpret_cast<std::byte*>(elements.data()), {{3, 2}, DType::f64});
  EXPECT_EQ(whole.slice(2, 1).as<double>(), elements.data() + 4);
  EXPECT_EQ(whole.slice(2, 1).dtype(), DType::f64);
}

TEST(TensorViewTest, RefusesEntriesThatDoNotExist) {
  std::array<float, 6> elements{};
  const TensorView whole(reinterpret_cast<std::byte*>(elements.data()), {{3, 2}});
  EXPECT_THROW(whole.slice(-1, 1), InvalidArgument);
  EXPECT_THROW(whole.slice(0, -1), InvalidArgument);
  EXPECT_THROW(whole.slice(2, 2), InvalidArgument);
  EXPECT_THROW(whole.slice(std::numeric_limits<std::int64_t>::max(), 1), InvalidArgument);
  EXPECT_THROW(TensorView(whole.data(), {}).slice(0, 1), InvalidArgument);
}

TEST(TensorViewTest, TakesAnotherShapeOfAsManyElements) {
  std::array<float, 6> elements{};
  const TensorView whole(reinterpret_cast<std::byte*>(elements.data()), {{3, 2}});
  EXPECT_EQ(whole.reshaped({6}).shape(), (Shape{6}));
  EXPECT_EQ(whole.reshaped({6}).data(), whole.data());
  EXPECT_THROW(whole.reshaped({5}), InvalidArgument);
}

TEST(TensorTest, TheLastOwnerFreesTheMemory) {
  const auto device = make_cpu_device();
  Tensor first = device->empty({{100}});
  const std::size_t one = device->memory().in_use_bytes;
  EXPECT_GE(one, 400U);
  Tensor second = first.share();
  EXPECT_EQ(second.view().data(), first.view().data());
  EXPECT_EQ(device->memory().in_use_bytes, one);
  first = {};
  EXPECT_EQ(device->memory().in_use_bytes, one);
  second = {};
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
}

TEST(TensorTest, AMovedTensorIsEmpty) {
  const auto device = make_cpu_device();
  Tensor first = device->empty({{100}});
  Tensor second = std::move(first);
  EXPECT_FALSE(first);  // NOLINT(bugprone-use-after-move): what is left is the point
  EXPECT_TRUE(second);
  first = std::move(second);
  EXPECT_FALSE(second);  // NOLINT(bugprone-use-after-move)
  EXPECT_EQ(first.spec(), (TensorSpec{{100}}));
}

TEST(TensorTest, MemoryIsHandedOutAgainAtOnce) {
  const auto device = make_cpu_device();
  const std::byte* data = device->empty({{100}}).view().data();
  EXPECT_EQ(device->empty({{90}}).view().data(), data);
}

TEST(TensorTest, OneWithoutElementsIsStillThere) {
  const auto device = make_cpu_device();
  const Tensor none = device->empty({{0, 5}});
  EXPECT_TRUE(none);
  EXPECT_EQ(none.view().bytes(), 0U);
  EXPECT_FALSE(Tensor());
}

}  // namespace
}  // namespace lockflight
