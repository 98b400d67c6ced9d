#include "lockflight/nn/self_attention.h"

#include "lockflight/core/error.h"
#include "nn/on_cpu.h"

namespace lockflight::nn {
namespace {

using testing::IsEmpty;

class SelfAttentionTest : public OnCpu {};

using Matrix = std::vector<double>;

// rows x inner times inner x columns.
Matrix product(const Matrix& a, const Matrix& b, std::size_t inner, std::size_t columns) {
  const std::size_t rows = a.size() / inner;
  Matrix c(rows * columns);
  for (std::size_t i = 0; i < rows; ++i) {
    for (std::size_t k = 0; k < inner; ++k) {
      for (std::size_t j = 0; j < columns; ++j) {
        c[i * columns + j] += a[i * inner + k] * b[k * columns + j];
      }
    }
  }
  return c;
}

// Plain causal attention of one sequence; qkv [T, 3 C].
Matrix attend(const Matrix& qkv, std::size_t C, std::size_t heads) {
  const std::size_t T = qkv.size() / (3 * C);
  const std::size_t D = C / heads;
  Matrix y(T * C);
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t t = 0; t < T; ++t) {
      Matrix weight(t + 1);
      double sum = 0;
      for (std::size_t s = 0; s <= t; ++s) {
        double dot = 0;
        for (std::size_t d = 0; d < D; ++d) {
          dot += qkv[t * 3 * C + h * D + d] * qkv[s * 3 * C + C + h * D + d];
        }
        weight[s] = std::exp(dot / std::sqrt(static_cast<double>(D)));
        sum += weight[s];
      }
      for (std::size_t s = 0; s <= t; ++s) {
        for (std::size_t d = 0; d < D; ++d) {
          y[t * C + h * D + d] += weight[s] / sum * qkv[s * 3 * C + 2 * C + h * D + d];
        }
      }
    }
  }
  return y;
}

TEST_F(SelfAttentionTest, GathersFromThePastAlone) {
  constexpr std::size_t kT = 5;
  constexpr std::size_t kC = 6;
  SelfAttention layer({.width = kC, .heads = 2, .weight = normal(0.5), .projection = normal(0.5)});
  materialize(layer);
  const auto as_double = [](const std::vector<float>& v) { return Matrix(v.begin(), v.end()); };
  const Matrix qkv_weight = as_double(read(layer.parameters()[0]->value()));
  const Matrix projection_weight = as_double(read(layer.parameters()[2]->value()));
  const std::vector<float> x = random_values(kT * kC, 3);
  const Matrix qkv = product(as_double(x), qkv_weight, kC, 3 * kC);
  const Matrix expected = product(attend(qkv, kC, 2), projection_weight, kC, kC);
  const Tensor y = layer.forward(context_, tensor({{1, kT, kC}}, x), saved_);
  EXPECT_THAT(read(y), near(expected, 1e-5));
}

TEST_F(SelfAttentionTest, HasTheRightGradients) {
  SelfAttention layer({.width = 8, .heads = 2});
  EXPECT_THAT(findings(layer, {{2, 7, 8}}), IsEmpty());
  SelfAttention dropping({.width = 8, .heads = 4, .dropout = 0.25F});
  EXPECT_THAT(findings(dropping, {{2, 7, 8}}), IsEmpty());
}

TEST_F(SelfAttentionTest, RefusesHeadsThatDoNotDivideTheWidth) {
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 3}), InvalidArgument);
  EXPECT_THROW(SelfAttention({.width = 8, .heads = 0}), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::nn
