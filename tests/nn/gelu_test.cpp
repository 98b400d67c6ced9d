#include "lockflight/nn/gelu.h"

#include <numbers>

#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class GeluTest : public OnCpu {};

TEST_F(GeluTest, IsTheTanhForm) {
  const std::vector<float> x = {-3, -1, -0.5, 0, 0.25, 1, 2.5};
  std::vector<double> expected;
  for (const double v : x) {
    expected.push_back(
        0.5 * v * (1 + std::tanh(std::sqrt(2 / std::numbers::pi) * (v + 0.044715 * v * v * v))));
  }
  Gelu layer;
  EXPECT_THAT(read(layer.forward(context_, tensor<float>({{7}}, x), saved_)), near(expected, 1e-6));
}

TEST_F(GeluTest, HasTheRightGradients) {
  Gelu layer;
  EXPECT_THAT(findings(layer, {{3, 17}}), testing::IsEmpty());
}

}  // namespace
}  // namespace lockflight::nn
