#include "lockflight/nn/mean_squared_error.h"

#include "nn/loss_layer.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class MeanSquaredErrorTest : public OnCpu {
 protected:
  MeanSquaredError loss_;
};

TEST_F(MeanSquaredErrorTest, IsTheMeanOverAllElements) {
  const Tensor target = tensor<float>({{2, 2}}, {1, 2, 3, 4});
  const Tensor value = device_->empty({});
  for (const bool training : {true, false}) {
    context_.training = training;
    Saved saved;
    Tensors outputs;
    outputs.push_back(tensor<float>({{2, 2}}, {2, 2, 1, 7}));
    loss_.forward(context_, std::move(outputs), {target}, 0.5F, value, saved);
    EXPECT_THAT(read(value), testing::ElementsAre(3.5F));
    if (training) {
      // scale 2 (output - target) / elements
      EXPECT_THAT(read(loss_.backward(context_, saved).at(0)),
                  testing::ElementsAre(0.25F, 0, -0.5F, 0.75F));
    }
  }
}

TEST_F(MeanSquaredErrorTest, HasTheRightGradient) {
  LossLayer layer(loss_, tensor({{4, 3}}, random_values(12, 9)));
  EXPECT_THAT(findings(layer, {{4, 3}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
