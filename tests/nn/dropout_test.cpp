#include "lockflight/nn/dropout.h"

#include <algorithm>

#include "lockflight/core/error.h"
#include "lockflight/nn/sequential.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class DropoutTest : public OnCpu {
 protected:
  std::vector<float> run(Layer& layer, std::int64_t count) {
    Saved saved;
    Tensors x;
    x.push_back(tensor<float>({{count}}, std::vector<float>(static_cast<std::size_t>(count), 1)));
    return read(layer.forward_all(context_, std::move(x), saved).at(0));
  }
};

TEST_F(DropoutTest, DropsItsShareAndScalesTheRest) {
  Dropout layer(0.25F);
  const std::vector<float> y = run(layer, 40000);
  const auto dropped = std::ranges::count(y, 0.0F);
  EXPECT_NEAR(static_cast<double>(dropped), 10000, 4 * std::sqrt(40000 * 0.25 * 0.75));
  EXPECT_EQ(std::ranges::count(y, 1 / 0.75F), 40000 - dropped);
}

TEST_F(DropoutTest, DependsOnEverythingInTheContext) {
  Dropout layer(0.5F);
  const std::vector<float> y = run(layer, 100);
  EXPECT_EQ(run(layer, 100), y);
  for (std::uint32_t Context::*field : {&Context::step, &Context::layer, &Context::micro_batch}) {
    ++(context_.*field);
    EXPECT_NE(run(layer, 100), y);
    --(context_.*field);
  }
  ++context_.seed;
  EXPECT_NE(run(layer, 100), y);
}

TEST_F(DropoutTest, DropsElsewhereInEveryLayerOfASequence) {
  Sequential layers;
  layers.add("a", std::make_unique<Dropout>(0.5F));
  layers.add("b", std::make_unique<Dropout>(0.5F));
  const std::vector<float> y = run(layers, 4000);
  EXPECT_NEAR(static_cast<double>(std::ranges::count(y, 0.0F)), 3000, 4 * std::sqrt(750.0));
}

TEST_F(DropoutTest, DoesNothingUnlessTraining) {
  Dropout layer(0.5F);
  context_.training = false;
  EXPECT_THAT(run(layer, 100), testing::Each(1.0F));
  EXPECT_THAT(read(layer.backward_input(context_, tensor<float>({{2}}, {3, 4}), saved_)),
              testing::ElementsAre(3, 4));
}

TEST_F(DropoutTest, HasTheRightGradients) {
  Dropout layer(0.3F);
  EXPECT_THAT(findings(layer, {{3, 17}}), testing::IsEmpty());
}

TEST_F(DropoutTest, RefusesImpossibleRates) {
  for (const float rate : {-0.1F, 1.0F, std::nanf("")}) {
    EXPECT_THROW(Dropout{rate}, InvalidArgument) << rate;
  }
}

}  // namespace
}  // namespace lockflight::nn
