#include "lockflight/nn/sequential.h"

#include <memory>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/device/cpu_device.h"
#include "lockflight/device/meta_device.h"
#include "lockflight/nn/gradient_check.h"
#include "nn/two_tensor_model.h"

namespace lockflight::nn {
namespace {

std::unique_ptr<Sequential> chain(std::int64_t width) {
  auto layers = std::make_unique<Sequential>();
  layers->add("split", std::make_unique<two_tensors::Split>(width));
  layers->add("mix", std::make_unique<two_tensors::Mix>(width));
  layers->add("join", std::make_unique<two_tensors::Join>(width));
  return layers;
}

TEST(SequentialTest, PassesGradientsThroughAllLayers) {
  const auto device = make_cpu_device();
  Sequential twice;
  twice.add("first", chain(4));
  twice.add("second", chain(4));
  EXPECT_EQ(twice.parameters().at(4)->name(), "second.mix.scale");
  EXPECT_THAT(gradient_check(*device, twice, {{{3, 4}}}).findings, testing::IsEmpty());
}

TEST(SequentialTest, FreesWhatALayerKeptOnceItsWeightsAreDone) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Context context(*stream);
  const auto layers = chain(4);
  Saved saved;
  Tensors x;
  x.push_back(device->empty({{3, 4}}));
  {
    const Tensors y = layers->forward_all(context, std::move(x), saved);
    Tensors dy;
    dy.push_back(device->empty(y.at(0).spec()));
    layers->backward_input_all(context, std::move(dy), saved);
  }
  EXPECT_GT(device->memory().in_use_bytes, 0U);
  layers->backward_weight(context, saved);
  EXPECT_EQ(device->memory().in_use_bytes, 0U);
}

class NoGradient final : public Layer {
 public:
  Tensor forward(Context& /*context*/, Tensor x, Saved& /*saved*/) override { return x; }
  Tensor backward_input(Context& /*context*/, Tensor /*dy*/, Saved& /*saved*/) override {
    return {};
  }
};

TEST(SequentialTest, RefusesALayerWithoutGradientAfterTheFirst) {
  const auto device = make_meta_device();
  const auto stream = device->make_stream(StreamRole::compute);
  Context context(*stream);
  const auto run = [&](Sequential& layers) {
    Saved saved;
    Tensors x;
    x.push_back(device->empty({{3, 4}}));
    return layers.backward_input_all(context, layers.forward_all(context, std::move(x), saved),
                                     saved);
  };
  Sequential first;
  first.add("tokens", std::make_unique<NoGradient>());
  first.add("rest", chain(4));
  EXPECT_FALSE(run(first).at(0));
  Sequential second;
  second.add("rest", chain(4));
  second.add("tokens", std::make_unique<NoGradient>());
  EXPECT_THROW(run(second), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
