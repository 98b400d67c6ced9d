#include "lockflight/ops/rms_norm.h"

#include <array>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

constexpr float kRmsNormEpsilon = 1e-3F;

// One column, tails, and a row of more columns than a block has threads.
constexpr auto kRmsNormExtents =
    std::to_array<Extents>({{1, 1}, {3, 7}, {129, 31}, {2, 384}, {71, 1031}});

// N rows of C columns.
struct RmsNormInputs {
  explicit RmsNormInputs(Extents extents)
      : N(extents.rows),
        C(extents.columns),
        x(normal_values(N * C, "x", 0.3)),
        dy(normal_values(N * C, "dy")),
        gain(normal_values(C, "gain")) {
    for (std::int64_t i = 0; i < N; ++i) {
      double mean_square = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        const auto value = static_cast<double>(x[i * C + j]);
        mean_square += value * value / static_cast<double>(C);
      }
      rstd.push_back(1.0 / std::sqrt(mean_square + static_cast<double>(kRmsNormEpsilon)));
    }
  }

  double normal(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(x[i * C + j]) * rstd[i];
  }

  std::int64_t N;
  std::int64_t C;
  Floats x;
  Floats dy;
  Floats gain;
  Doubles rstd;
};

class RmsNormTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, RmsNormTest, test::all_backends(), test::backend_name);

TEST_P(RmsNormTest, DividesRowsByTheirRootMeanSquare) {
  for (const Extents extents : kRmsNormExtents) {
    const RmsNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected;
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        expected.push_back(in.normal(i, j) * static_cast<double>(in.gain[j]));
      }
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(joined(expected, in.rstd), 2e-6, [&] {
        const TensorView x = tensor({1, N, C}, in.x);
        const TensorView y = in_place ? x : unset(x.shape());
        const TensorView rstd = unset({N});
        rms_norm(stream(), y, rstd, x, tensor({C}, in.gain), kRmsNormEpsilon);
        return values_of({y, rstd});
      });
    }
  }
}

// With s = mean(x^2) + epsilon, y_j = x_j gain_j s^(-1/2), so
//   dx_k = dy_k gain_k s^(-1/2) - x_k / C s^(-3/2) sum_j dy_j gain_j x_j.
TEST_P(RmsNormTest, FindsTheGradientOfItsInput) {
  for (const Extents extents : kRmsNormExtents) {
    const RmsNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected;
    for (std::int64_t i = 0; i < N; ++i) {
      double sum = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        sum += static_cast<double>(in.dy[i * C + j]) * static_cast<double>(in.gain[j]) *
               static_cast<double>(in.x[i * C + j]);
      }
      for (std::int64_t k = 0; k < C; ++k) {
        const double direct =
            static_cast<double>(in.dy[i * C + k]) * static_cast<double>(in.gain[k]);
        const double through_s =
            static_cast<double>(in.x[i * C + k]) / static_cast<double>(C) * sum;
        expected.push_back(direct * in.rstd[i] - through_s * in.rstd[i] * in.rstd[i] * in.rstd[i]);
      }
    }
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 1e-5, [&] {
        const TensorView dy = tensor({N, C}, in.dy);
        const TensorView dx = in_place ? dy : unset(dy.shape());
        rms_norm_backward_input(stream(), dx, dy, tensor({N, C}, in.x),
                                tensor({N}, to_floats(in.rstd)), tensor({C}, in.gain));
        return values(dx);
      });
    }
  }
}

TEST_P(RmsNormTest, AddsTheGradientOfGain) {
  for (const Extents extents : kExtentsOfSums) {
    const RmsNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected(static_cast<std::size_t>(C), 0.5);
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        expected[j] += static_cast<double>(in.dy[i * C + j]) * in.normal(i, j);
      }
    }
    expect_in_every_way(expected, 2e-5, [&] {
      const TensorView dgain = filled({C}, 0.5F);
      rms_norm_backward_weight(stream(), dgain, tensor({N, C}, in.dy), tensor({N, C}, in.x),
                               tensor({N}, to_floats(in.rstd)));
      return values(dgain);
    });
  }
}

}  // namespace
}  // namespace lockflight::ops
