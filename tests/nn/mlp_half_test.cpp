#include "lockflight/nn/mlp_half.h"

#include "lockflight/nn/dropout.h"
#include "lockflight/nn/gelu.h"
#include "lockflight/nn/residual.h"
#include "lockflight/nn/sequential.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class MlpHalfTest : public OnCpu {};

TEST_F(MlpHalfTest, IsItsPartsOneAfterAnotherPlusX) {
  MlpHalf half({.width = 6, .hidden = 10});
  auto parts = std::make_unique<Sequential>();
  parts->add("norm", std::make_unique<LayerNorm>(6));
  parts->add("expand", std::make_unique<Linear>(LinearConfig{.inputs = 6, .outputs = 10}));
  parts->add("gelu", std::make_unique<Gelu>());
  parts->add("projection", std::make_unique<Linear>(LinearConfig{.inputs = 10, .outputs = 6}));
  Residual residual(std::move(parts));
  materialize(half);
  materialize(residual);
  const std::vector<float> x = random_values(5 * 6, 4);
  const Tensor y = half.forward(context_, tensor({{5, 6}}, x), saved_);
  Saved of_parts;
  const std::vector<float> expected =
      read(residual.forward(context_, tensor({{5, 6}}, x), of_parts));
  EXPECT_THAT(read(y), near({expected.begin(), expected.end()}, 1e-5));
}

TEST_F(MlpHalfTest, HasTheRightGradients) {
  for (const float dropout : {0.0F, 0.25F}) {
    MlpHalf layer({.width = 6, .hidden = 10, .dropout = dropout});
    EXPECT_THAT(findings(layer, {{2, 7, 6}}), testing::IsEmpty());
  }
}

}  // namespace
}  // namespace lockflight::nn
