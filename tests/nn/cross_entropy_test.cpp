#include "lockflight/nn/cross_entropy.h"

#include "lockflight/core/error.h"
#include "nn/loss_layer.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class CrossEntropyTest : public OnCpu {
 protected:
  Tensors list(Tensor tensor) {
    Tensors tensors;
    tensors.push_back(std::move(tensor));
    return tensors;
  }

  CrossEntropy loss_;
};

TEST_F(CrossEntropyTest, IsTheMeanOverAllTokens) {
  constexpr std::size_t kV = 7;
  const std::vector<std::int32_t> targets = {3, 0, 6, 2, 2, 5};
  const std::vector<float> logits = random_values(6 * kV, 5);
  double expected = 0;
  for (std::size_t i = 0; i < 6; ++i) {
    double sum = 0;
    for (std::size_t v = 0; v < kV; ++v) {
      sum += std::exp(static_cast<double>(logits[i * kV + v]));
    }
    expected += (std::log(sum) - logits[i * kV + static_cast<std::size_t>(targets[i])]) / 6;
  }
  const Tensor target = tensor({{2, 3}, DType::i32}, targets);
  const Tensor value = device_->empty({});
  for (const bool training : {true, false}) {
    context_.training = training;
    loss_.forward(context_, list(tensor({{2, 3, kV}}, logits)), {target}, 0.5F, value, saved_);
    EXPECT_THAT(read(value), near({expected}, 1e-6)) << training;
  }
}

TEST_F(CrossEntropyTest, TheGradientIsTimesTheScale) {
  const std::vector<float> logits = random_values(2 * 5, 6);
  const Tensor target = tensor<std::int32_t>({{1, 2}, DType::i32}, {4, 1});
  const Tensor value = device_->empty({});
  std::vector<float> gradients[2];
  for (const float scale : {1.0F, 0.25F}) {
    Saved saved;
    loss_.forward(context_, list(tensor({{1, 2, 5}}, logits)), {target}, scale, value, saved);
    gradients[scale == 1.0F ? 0 : 1] = read(loss_.backward(context_, saved).at(0));
  }
  std::vector<double> quarter;
  for (const float gradient : gradients[0]) {
    quarter.push_back(gradient / 4.0);
  }
  EXPECT_THAT(gradients[1], near(quarter, 1e-7));
}

TEST_F(CrossEntropyTest, HasTheRightGradient) {
  LossLayer layer(loss_, tensor<std::int32_t>({{2, 3}, DType::i32}, {4, 1, 0, 0, 2, 3}));
  EXPECT_THAT(findings(layer, {{2, 3, 5}}), testing::IsEmpty());
}

TEST_F(CrossEntropyTest, RefusesSeveralOutputsOrTargets) {
  const Tensor value = device_->empty({});
  const Tensor target = tensor<std::int32_t>({{1, 1}, DType::i32}, {0});
  EXPECT_THROW(loss_.forward(context_, {}, {target}, 1.0F, value, saved_), InvalidArgument);
  EXPECT_THROW(loss_.forward(context_, list(device_->empty({{1, 1, 5}})), {}, 1.0F, value, saved_),
               InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
