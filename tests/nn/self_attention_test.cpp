#include "lockflight/nn/self_attention.h"

#include "lockflight/core/error.h"
#include "nn/on_cpu.h"
#include "nn/plain_arithmetic.h"

namespace lockflight::nn {
namespace {

using testing::IsEmpty;

class SelfAttentionTest : public OnCpu {};

TEST_F(SelfAttentionTest, GathersFromThePastAlone) {
  constexpr std::size_t kT = 5;
  constexpr std::size_t kC = 6;
  SelfAttention layer({.width = kC, .heads = 2, .weight = normal(0.5), .projection = normal(0.5)});
  materialize(layer);
  const Matrix qkv_weight = as_double(read(layer.parameters()[0]->value()));
  const Matrix projection_weight = as_double(read(layer.parameters()[2]->value()));
  const std::vector<float> x = random_values(kT * kC, 3);
  const Matrix qkv = product(as_double(x), qkv_weight, kC, 3 * kC);
  const Matrix expected = product(attend(qkv, kC, 2, 2), projection_weight, kC, kC);
  const Tensor y = layer.forward(context_, tensor({{1, kT, kC}}, x), saved_);
  EXPECT_THAT(read(y), near(expected, 1e-5));
}

TEST_F(SelfAttentionTest, HasTheRightGradients) {
  SelfAttention layer({.width = 8, .heads = 2});
  EXPECT_THAT(findings(layer, {{2, 7, 8}}), IsEmpty());
  SelfAttention dropping({.width = 8, .heads = 4, .dropout = 0.25F});
  EXPECT_THAT(findings(dropping, {{2, 7, 8}}), IsEmpty());
  SelfAttention sharing({.width = 8, .heads = 4, .key_value_heads = 2, .bias = false});
  EXPECT_THAT(findings(sharing, {{2, 7, 8}}), IsEmpty());
  SelfAttention rotating({.width = 8, .heads = 2, .key_value_heads = 1, .rotary_base = 10000});
  EXPECT_THAT(findings(rotating, {{2, 7, 8}}), IsEmpty());
}

TEST_F(SelfAttentionTest, RefusesHeadsThatDoNotDivideTheWidth) {
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 3}), InvalidArgument);
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 0}), InvalidArgument);
}

TEST_F(SelfAttentionTest, RefusesHeadsThatCannotShareOrRotate) {
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 4, .key_value_heads = 3}), InvalidArgument);
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 4, .key_value_heads = -1}), InvalidArgument);
  EXPECT_THROW(SelfAttention({.width = 6, .heads = 2, .rotary_base = 10000}), InvalidArgument);
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 2, .rotary_base = -1}), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
