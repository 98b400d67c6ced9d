#include "lockflight/nn/llama_attention_half.h"

#include <complex>

#include "lockflight/core/error.h"
#include "nn/on_cpu.h"
#include "nn/plain_arithmetic.h"

namespace lockflight::nn {
namespace {

class LlamaAttentionHalfTest : public OnCpu {};

constexpr double kBase = 100;

// Rotates the first `heads` heads of D channels in each row of one sequence.
Matrix rotated(Matrix x, std::size_t stride, std::size_t heads, std::size_t D) {
  for (std::size_t t = 0; t < x.size() / stride; ++t) {
    for (std::size_t h = 0; h < heads; ++h) {
      for (std::size_t i = 0; i < D / 2; ++i) {
        double& first = x[t * stride + h * D + i];
        double& second = x[t * stride + h * D + i + D / 2];
        const double frequency =
            std::pow(kBase, -2.0 * static_cast<double>(i) / static_cast<double>(D));
        const auto turned = std::complex<double>(first, second) *
                            std::polar(1.0, static_cast<double>(t) * frequency);
        first = turned.real();
        second = turned.imag();
      }
    }
  }
  return x;
}

TEST_F(LlamaAttentionHalfTest, AgreesWithPlainArithmetic) {
  constexpr std::size_t kT = 5;
  constexpr std::size_t kC = 16;
  constexpr std::size_t kHeads = 4;
  constexpr std::size_t kD = kC / kHeads;
  for (const std::size_t shared : {1, 2, 4}) {
    LlamaAttentionHalf half({.width = kC,
                             .heads = kHeads,
                             .key_value_heads = static_cast<std::int64_t>(shared),
                             .rotary_base = kBase,
                             .weight = normal(0.5),
                             .projection = normal(0.5)});
    materialize(half);
    const std::vector<Parameter*> parameters = half.parameters();
    write(parameters[0]->value(), random_values(kC, 7));
    const std::vector<float> x = random_values(kT * kC, 4);

    const Matrix normed =
        root_mean_square_normed(as_double(x), as_double(read(parameters[0]->value())));
    const std::size_t width = kC + 2 * shared * kD;
    const Matrix qkv = product(normed, as_double(read(parameters[1]->value())), kC, width);
    const Matrix attended = attend(rotated(qkv, width, kHeads + shared, kD), kC, kHeads, shared);
    const Matrix expected =
        sum(as_double(x), product(attended, as_double(read(parameters[2]->value())), kC, kC));
    const Tensor y = half.forward(context_, tensor({{1, kT, kC}}, x), saved_);
    EXPECT_THAT(read(y), near(expected, 1e-5)) << shared << " heads of keys and values";
    saved_ = {};
  }
}

TEST_F(LlamaAttentionHalfTest, HasTheRightGradients) {
  for (const std::int64_t shared : {0, 1, 2}) {
    LlamaAttentionHalf layer({.width = 16, .heads = 4, .key_value_heads = shared});
    EXPECT_THAT(findings(layer, {{2, 7, 16}}), testing::IsEmpty());
  }
}

TEST_F(LlamaAttentionHalfTest, NamesItsParameters) {
  LlamaAttentionHalf layer({.width = 8, .heads = 2});
  std::vector<std::string> names;
  for (const Parameter* parameter : layer.parameters()) {
    names.push_back(parameter->name());
  }
  EXPECT_THAT(names, testing::ElementsAre("norm.gain", "qkv.weight", "projection.weight"));
}

}  // namespace
}  // namespace lockflight::nn
