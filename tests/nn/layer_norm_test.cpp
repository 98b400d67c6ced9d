#include "lockflight/nn/layer_norm.h"

#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class LayerNormTest : public OnCpu {};

TEST_F(LayerNormTest, NormalisesRows) {
  LayerNorm layer(4);
  materialize(layer);
  const Tensor y =
      layer.forward(context_, tensor<float>({{2, 4}}, {1, 3, 1, 3, 10, 10, 10, 14}), saved_);
  const double s = std::sqrt(3.0);
  EXPECT_THAT(read(y), near({-1, 1, -1, 1, -1 / s, -1 / s, -1 / s, s}, 1e-5));
}

TEST_F(LayerNormTest, HasTheRightGradients) {
  LayerNorm layer(12);
  EXPECT_THAT(findings(layer, {{2, 3, 12}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
