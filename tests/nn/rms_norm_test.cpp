#include "lockflight/nn/rms_norm.h"

#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class RmsNormTest : public OnCpu {};

TEST_F(RmsNormTest, DividesRowsByTheirRootMeanSquare) {
  RmsNorm layer(4);
  materialize(layer);
  const Tensor y =
      layer.forward(context_, tensor<float>({{2, 4}}, {1, 3, 1, 3, 2, 4, 4, 8}), saved_);
  const double s = std::sqrt(5.0);
  EXPECT_THAT(read(y), near({1 / s, 3 / s, 1 / s, 3 / s, 0.4, 0.8, 0.8, 1.6}, 1e-5));
}

TEST_F(RmsNormTest, HasTheRightGradients) {
  RmsNorm layer(12);
  EXPECT_THAT(findings(layer, {{2, 3, 12}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
