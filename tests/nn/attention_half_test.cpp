#include "lockflight/nn/attention_half.h"

#include "lockflight/ops/elementwise.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

class AttentionHalfTest : public OnCpu {};

TEST_F(AttentionHalfTest, IsItsPartsOneAfterAnotherPlusX) {
  for (const float dropout : {0.0F, 0.25F}) {
    const SelfAttentionConfig config{.width = 8, .heads = 2, .dropout = dropout};
    AttentionHalf half(config);
    LayerNorm norm(8);
    SelfAttention attention(config);
    norm.parameters()[0]->prefix_name("norm");
    norm.parameters()[1]->prefix_name("norm");
    materialize(half);
    materialize(norm);
    materialize(attention);
    const std::vector<float> x = random_values(2 * 5 * 8, 4);
    const Tensor y = half.forward(context_, tensor({{2, 5, 8}}, x), saved_);
    Saved of_norm;
    Saved of_attention;
    const Tensor z = attention.forward(
        context_, norm.forward(context_, tensor({{2, 5, 8}}, x), of_norm), of_attention);
    std::vector<double> expected;
    const std::vector<float> added = read(z);
    for (std::size_t i = 0; i < x.size(); ++i) {
      expected.push_back(static_cast<double>(x[i]) + static_cast<double>(added[i]));
    }
    EXPECT_THAT(read(y), near(expected, 1e-5));
    saved_ = {};
  }
}

TEST_F(AttentionHalfTest, HasTheRightGradients) {
  for (const float dropout : {0.0F, 0.25F}) {
    AttentionHalf layer({.width = 8, .heads = 2, .dropout = dropout});
    EXPECT_THAT(findings(layer, {{2, 7, 8}}), testing::IsEmpty());
  }
}

TEST_F(AttentionHalfTest, NamesItsParameters) {
  AttentionHalf layer({.width = 8, .heads = 2});
  std::vector<std::string> names;
  for (const Parameter* parameter : layer.parameters()) {
    names.push_back(parameter->name());
  }
  EXPECT_THAT(names, testing::ElementsAre("norm.gain", "norm.bias", "qkv.weight", "qkv.bias",
                                          "projection.weight", "projection.bias"));
}

}  // namespace
}  // namespace lockflight::nn
