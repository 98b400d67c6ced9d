#include "ops/cpu/layer_norm.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

constexpr float kEpsilon = 1e-5F;

class LayerNormKernelTest : public testing::TestWithParam<MatrixShape> {
 protected:
  const MatrixShape shape = GetParam();
  const std::int64_t N = shape.rows;
  const std::int64_t C = shape.columns;
  const Floats x = [this] {
    Floats values = normal_values(N * C, "x", 2.0);
    for (float& value : values) {
      value += 3.0F;
    }
    return values;
  }();
  const Floats dy = normal_values(N * C, "dy");
  const Floats gain = normal_values(C, "gain");
  const Floats bias = normal_values(C, "bias");
  Doubles mean = Doubles(static_cast<std::size_t>(N));
  Doubles rstd = Doubles(static_cast<std::size_t>(N));

  void SetUp() override {
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        mean[i] += static_cast<double>(x[i * C + j]) / static_cast<double>(C);
      }
      double variance = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        const double centred = static_cast<double>(x[i * C + j]) - mean[i];
        variance += centred * centred / static_cast<double>(C);
      }
      rstd[i] = 1.0 / std::sqrt(variance + static_cast<double>(kEpsilon));
    }
  }

  double normal(std::int64_t i, std::int64_t j) const {
    return (static_cast<double>(x[i * C + j]) - mean[i]) * rstd[i];
  }
  Floats as_floats(const Doubles& values) const { return {values.begin(), values.end()}; }
};

INSTANTIATE_TEST_SUITE_P(Shapes, LayerNormKernelTest,
                         testing::Values(MatrixShape{1, 2}, MatrixShape{3, 7}, MatrixShape{129, 31},
                                         MatrixShape{2, 384}, MatrixShape{71, 1031}));

TEST_P(LayerNormKernelTest, NormalisesRows) {
  Doubles expected;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < C; ++j) {
      expected.push_back(normal(i, j) * static_cast<double>(gain[j]) +
                         static_cast<double>(bias[j]));
    }
  }
  expected.insert(expected.end(), mean.begin(), mean.end());
  expected.insert(expected.end(), rstd.begin(), rstd.end());
  // y, then mean, then rstd, in one buffer.
  expect_on_every_target(expected, 2e-5, [&](Team& team, float* y) {
    layer_norm(team, y, y + N * C, y + N * C + N, x.data(), gain.data(), bias.data(), shape,
               kEpsilon);
  });
}

TEST_P(LayerNormKernelTest, FindsTheGradientOfItsInput) {
  Doubles expected;
  for (std::int64_t i = 0; i < N; ++i) {
    double sum = 0.0;
    double sum_with_normal = 0.0;
    for (std::int64_t j = 0; j < C; ++j) {
      const double g = static_cast<double>(dy[i * C + j]) * static_cast<double>(gain[j]);
      sum += g / static_cast<double>(C);
      sum_with_normal += g * normal(i, j) / static_cast<double>(C);
    }
    for (std::int64_t j = 0; j < C; ++j) {
      const double g = static_cast<double>(dy[i * C + j]) * static_cast<double>(gain[j]);
      expected.push_back(rstd[i] * (g - sum - normal(i, j) * sum_with_normal));
    }
  }
  const Floats mu = as_floats(mean);
  const Floats scale = as_floats(rstd);
  expect_on_every_target(expected, 2e-5, [&](Team& team, float* dx) {
    layer_norm_backward_input(team, dx, dy.data(), x.data(), mu.data(), scale.data(), gain.data(),
                              shape);
  });
}

TEST_P(LayerNormKernelTest, AddsTheGradientsOfGainAndBias) {
  Doubles expected(static_cast<std::size_t>(2 * C), 0.5);
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < C; ++j) {
      expected[j] += static_cast<double>(dy[i * C + j]) * normal(i, j);
      expected[C + j] += static_cast<double>(dy[i * C + j]);
    }
  }
  const Floats mu = as_floats(mean);
  const Floats scale = as_floats(rstd);
  expect_on_every_target(
      expected, 2e-5,
      [&](Team& team, float* gradients) {
        layer_norm_backward_weight(team, gradients, gradients + C, dy.data(), x.data(), mu.data(),
                                   scale.data(), shape);
      },
      0.5F);
}

}  // namespace
}  // namespace lockflight::ops::cpu
