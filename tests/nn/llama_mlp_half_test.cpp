#include "lockflight/nn/llama_mlp_half.h"

#include "nn/on_cpu.h"
#include "nn/plain_arithmetic.h"

namespace lockflight::nn {
namespace {

class LlamaMlpHalfTest : public OnCpu {};

TEST_F(LlamaMlpHalfTest, AgreesWithPlainArithmetic) {
  constexpr std::size_t kRows = 5;
  constexpr std::size_t kC = 6;
  constexpr std::size_t kF = 10;
  LlamaMlpHalf half({.width = kC, .hidden = kF, .weight = normal(0.5), .projection = normal(0.5)});
  materialize(half);
  const std::vector<Parameter*> parameters = half.parameters();
  write(parameters[0]->value(), random_values(kC, 7));
  const std::vector<float> x = random_values(kRows * kC, 4);

  const Matrix normed =
      root_mean_square_normed(as_double(x), as_double(read(parameters[0]->value())));
  const Matrix gate_up = product(normed, as_double(read(parameters[1]->value())), kC, 2 * kF);
  Matrix hidden;
  for (std::size_t row = 0; row < kRows; ++row) {
    for (std::size_t j = 0; j < kF; ++j) {
      const double gate = gate_up[row * 2 * kF + j];
      hidden.push_back(gate / (1 + std::exp(-gate)) * gate_up[row * 2 * kF + kF + j]);
    }
  }
  const Matrix expected =
      sum(as_double(x), product(hidden, as_double(read(parameters[2]->value())), kF, kC));
  const Tensor y = half.forward(context_, tensor({{kRows, kC}}, x), saved_);
  EXPECT_THAT(read(y), near(expected, 1e-5));
}

TEST_F(LlamaMlpHalfTest, HasTheRightGradients) {
  LlamaMlpHalf layer({.width = 6, .hidden = 10});
  EXPECT_THAT(findings(layer, {{2, 7, 6}}), testing::IsEmpty());
}

TEST_F(LlamaMlpHalfTest, NamesItsParameters) {
  LlamaMlpHalf layer({.width = 6, .hidden = 10});
  std::vector<std::string> names;
  for (const Parameter* parameter : layer.parameters()) {
    names.push_back(parameter->name());
  }
  EXPECT_THAT(names, testing::ElementsAre("norm.gain", "gate_up.weight", "projection.weight"));
}

}  // namespace
}  // namespace lockflight::nn
