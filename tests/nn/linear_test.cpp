#include "lockflight/nn/linear.h"

#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class LinearTest : public OnCpu {};

Initializer counting() {
  return [](std::span<float> values, Random& /*random*/) {
    for (std::size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(i + 1);
    }
  };
}

TEST_F(LinearTest, MultipliesAndAddsTheBias) {
  Linear layer({.inputs = 2, .outputs = 3, .weight = counting()});
  materialize(layer);
  write<float>(layer.parameters()[1]->value(), {10, 20, 30});
  const Tensor y = layer.forward(context_, tensor<float>({{1, 1, 2}}, {1, 100}), saved_);
  EXPECT_EQ(y.spec(), (TensorSpec{{1, 1, 3}}));
  EXPECT_THAT(read(y), ElementsAre(411, 522, 633));
}

TEST_F(LinearTest, AddsOntoAResidual) {
  Linear layer({.inputs = 2, .outputs = 2, .bias = false, .weight = counting()});
  materialize(layer);
  const Tensor residual = tensor<float>({{1, 2}}, {1000, 2000});
  const Tensor y = layer.forward_onto(context_, tensor<float>({{1, 2}}, {1, 10}), residual, saved_);
  EXPECT_THAT(read(y), ElementsAre(1031, 2042));
  EXPECT_THAT(read(residual), ElementsAre(1000, 2000));
}

TEST_F(LinearTest, HasTheRightGradients) {
  Linear layer({.inputs = 5, .outputs = 7});
  EXPECT_THAT(findings(layer, {{3, 4, 5}}), IsEmpty());
  Linear without_bias({.inputs = 5, .outputs = 7, .bias = false});
  EXPECT_EQ(without_bias.parameters().size(), 1U);
  EXPECT_THAT(findings(without_bias, {{3, 5}}), IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
