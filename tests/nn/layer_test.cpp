#include "lockflight/nn/layer.h"

#include <memory>
#include <set>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/meta_device.h"
#include "nn/identity.h"

namespace lockflight::nn {
namespace {

class Nothing final : public Layer {};

class LayerTest : public testing::Test {
 protected:
  Tensors tensors(int count) {
    Tensors list;
    for (int i = 0; i < count; ++i) {
      list.push_back(device_->empty({{2, 3}}));
    }
    return list;
  }

  std::unique_ptr<Device> device_ = make_meta_device();
  std::unique_ptr<Stream> stream_ = device_->make_stream(StreamRole::compute);
  Context context_{*stream_};
  Saved saved_;
};

TEST_F(LayerTest, PassesOneTensorThroughTheSingleTensorFunctions) {
  Identity layer;
  Tensors x = tensors(1);
  const std::byte* data = x[0].view().data();
  EXPECT_EQ(layer.forward_all(context_, std::move(x), saved_).at(0).view().data(), data);
  Tensors dy = tensors(1);
  data = dy[0].view().data();
  EXPECT_EQ(layer.backward_input_all(context_, std::move(dy), saved_).at(0).view().data(), data);
}

TEST_F(LayerTest, RefusesSeveralTensorsOrNoneByDefault) {
  Identity layer;
  for (const int count : {0, 2}) {
    EXPECT_THROW(layer.forward_all(context_, tensors(count), saved_), InvalidArgument);
    EXPECT_THROW(layer.backward_input_all(context_, tensors(count), saved_), InvalidArgument);
  }
}

TEST_F(LayerTest, SaysWhichFunctionIsMissing) {
  Nothing layer;
  try {
    layer.backward_input_all(context_, tensors(1), saved_);
    FAIL() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(), testing::HasSubstr("backward_input for one tensor"));
  }
  layer.backward_weight(context_, saved_);  // a layer without parameters needs none
}

TEST_F(LayerTest, SavedKeepsGivesBackAndFrees) {
  const std::size_t before = device_->memory().in_use_bytes;
  {
    Saved saved;
    EXPECT_EQ(saved.keep(device_->empty({{10}})), 0);
    EXPECT_EQ(saved.keep(device_->empty({{20}})), 1);
    EXPECT_EQ(saved[1].elements(), 20);
    EXPECT_EQ(saved.take(0).spec(), (TensorSpec{{10}}));
    EXPECT_EQ(device_->memory().in_use_bytes, before + aligned_bytes(80));
    Saved& inner = saved.inner(1);
    inner.keep(device_->empty({{5}}));
    saved.inner(7);
    EXPECT_EQ(&saved.inner(1), &inner);
    EXPECT_EQ(saved.inner(1)[0].elements(), 5);
  }
  EXPECT_EQ(device_->memory().in_use_bytes, before);
}

TEST_F(LayerTest, InnerLayersDrawRandomNumbersOfTheirOwn) {
  context_.seed = 3;
  context_.step = 5;
  context_.layer = 7;
  context_.micro_batch = 9;
  std::set<std::uint64_t> seeds = {context_.seed};
  for (std::size_t i = 0; i < 10; ++i) {
    const Context inner = context_.inner(i);
    EXPECT_EQ(inner.step, 5U);
    EXPECT_EQ(inner.layer, 7U);
    EXPECT_EQ(inner.micro_batch, 9U);
    EXPECT_EQ(inner.seed, context_.inner(i).seed);
    seeds.insert(inner.seed);
    for (std::size_t j = 0; j < 10; ++j) {
      seeds.insert(inner.inner(j).seed);
    }
  }
  EXPECT_EQ(seeds.size(), 1U + 10 + 100);
}

TEST_F(LayerTest, SitesOfOneLayerHaveDifferentKeys) {
  context_.layer = 7;
  EXPECT_EQ(context_.random_key(0).layer, 7U);
  EXPECT_NE(context_.random_key(1).layer, context_.random_key(2).layer);
}

}  // namespace
}  // namespace lockflight::nn
