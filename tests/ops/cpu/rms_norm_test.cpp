#include "ops/cpu/rms_norm.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

constexpr float kEpsilon = 1e-3F;

class RmsNormKernelTest : public testing::TestWithParam<MatrixShape> {
 protected:
  const MatrixShape shape = GetParam();
  const std::int64_t N = shape.rows;
  const std::int64_t C = shape.columns;
  const Floats x = normal_values(N * C, "x", 0.3);
  const Floats dy = normal_values(N * C, "dy");
  const Floats gain = normal_values(C, "gain");
  Doubles rstd;

  void SetUp() override {
    for (std::int64_t i = 0; i < N; ++i) {
      double mean_square = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        const double value = static_cast<double>(x[i * C + j]);
        mean_square += value * value / static_cast<double>(C);
      }
      rstd.push_back(1.0 / std::sqrt(mean_square + static_cast<double>(kEpsilon)));
    }
  }

  double normal(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * C + j]) * rstd[i];
  }
  Floats rstd_as_floats() const { return {rstd.begin(), rstd.end()}; }
};

INSTANTIATE_TEST_SUITE_P(Shapes, RmsNormKernelTest,
                         testing::Values(MatrixShape{1, 1}, MatrixShape{3, 7}, MatrixShape{129, 31},
                                         MatrixShape{2, 384}, MatrixShape{71, 1031}));

TEST_P(RmsNormKernelTest, DividesRowsByTheirRootMeanSquare) {
  Doubles expected;
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < C; ++j) {
      expected.push_back(normal(i, j) * static_cast<double>(gain[j]));
    }
  }
  expected.insert(expected.end(), rstd.begin(), rstd.end());
  // y, then rstd, in one buffer.
  expect_on_every_target(expected, 2e-6, [&](Team& team, float* y) {
    rms_norm(team, y, y + N * C, x.data(), gain.data(), shape, kEpsilon);
  });
}

// With s = mean(x^2) + epsilon, y_j = x_j gain_j s^(-1/2), so
//   dx_k = dy_k gain_k s^(-1/2) - x_k / C s^(-3/2) sum_j dy_j gain_j x_j.
TEST_P(RmsNormKernelTest, FindsTheGradientOfItsInput) {
  Doubles expected;
  for (std::int64_t i = 0; i < N; ++i) {
    double sum = 0.0;
    for (std::int64_t j = 0; j < C; ++j) {
      sum += static_cast<double>(dy[i * C + j]) * static_cast<double>(gain[j]) *
             static_cast<double>(x[i * C + j]);
    }
    for (std::int64_t k = 0; k < C; ++k) {
      const double direct = static_cast<double>(dy[i * C + k]) * static_cast<double>(gain[k]);
      const double through_s = static_cast<double>(x[i * C + k]) / static_cast<double>(C) * sum;
      expected.push_back(direct * rstd[i] - through_s * rstd[i] * rstd[i] * rstd[i]);
    }
  }
  const Floats scale = rstd_as_floats();
  expect_on_every_target(expected, 1e-5, [&](Team& team, float* dx) {
    rms_norm_backward_input(team, dx, dy.data(), x.data(), scale.data(), gain.data(), shape);
  });
}

TEST_P(RmsNormKernelTest, MayWriteOverWhatItReads) {
  const Floats scale = rstd_as_floats();
  Team team(1);
  Floats y(x.size());
  Floats written(static_cast<std::size_t>(N));
  rms_norm(team, y.data(), written.data(), x.data(), gain.data(), shape, kEpsilon);
  Floats in_place = x;
  rms_norm(team, in_place.data(), written.data(), in_place.data(), gain.data(), shape, kEpsilon);
  EXPECT_EQ(in_place, y);
  Floats dx(x.size());
  rms_norm_backward_input(team, dx.data(), dy.data(), x.data(), scale.data(), gain.data(), shape);
  in_place = dy;
  rms_norm_backward_input(team, in_place.data(), in_place.data(), x.data(), scale.data(),
                          gain.data(), shape);
  EXPECT_EQ(in_place, dx);
}

TEST_P(RmsNormKernelTest, AddsTheGradientOfGain) {
  Doubles expected(static_cast<std::size_t>(C), 0.5);
  for (std::int64_t i = 0; i < N; ++i) {
    for (std::int64_t j = 0; j < C; ++j) {
      expected[j] += static_cast<double>(dy[i * C + j]) * normal(i, j);
    }
  }
  const Floats scale = rstd_as_floats();
  expect_on_every_target(
      expected, 2e-5,
      [&](Team& team, float* dgain) {
        rms_norm_backward_weight(team, dgain, dy.data(), x.data(), scale.data(), shape);
      },
      0.5F);
}

}  // namespace
}  // namespace lockflight::ops::cpu
