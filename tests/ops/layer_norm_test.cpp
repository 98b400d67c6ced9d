#include "lockflight/ops/layer_norm.h"

#include <array>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

constexpr float kLayerNormEpsilon = 1e-4F;

// One column, tails, and a row of more columns than a block has threads.
constexpr auto kLayerNormExtents =
    std::to_array<Extents>({{1, 1}, {1, 2}, {3, 7}, {129, 31}, {2, 384}, {71, 1031}});

// N rows of C columns, with their statistics in double.
struct LayerNormInputs {
  explicit LayerNormInputs(Extents extents)
      : N(extents.rows),
        C(extents.columns),
        x(normal_values(N * C, "x", 2.0)),
        dy(normal_values(N * C, "dy")),
        gain(normal_values(C, "gain")),
        bias(normal_values(C, "bias")) {
    for (float& value : x) {
      value += 3.0F;
    }
    for (std::int64_t i = 0; i < N; ++i) {
      mean.push_back(0.0);
      for (std::int64_t j = 0; j < C; ++j) {
        mean.back() += static_cast<double>(x[i * C + j]) / static_cast<double>(C);
      }
      double variance = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        const double centred = static_cast<double>(x[i * C + j]) - mean.back();
        variance += centred * centred / static_cast<double>(C);
      }
      rstd.push_back(1.0 / std::sqrt(variance + static_cast<double>(kLayerNormEpsilon)));
    }
  }

  double normal(std::int64_t i, std::int64_t j) const {
    return (static_cast<double>(x[i * C + j]) - mean[i]) * rstd[i];
  }
  /// dy * gain
  double g(std::int64_t i, std::int64_t j) const {
    return static_cast<double>(dy[i * C + j]) * static_cast<double>(gain[j]);
  }

  std::int64_t N;
  std::int64_t C;
  Floats x;
  Floats dy;
  Floats gain;
  Floats bias;
  Doubles mean;
  Doubles rstd;
};

class LayerNormTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, LayerNormTest, test::all_backends(), test::backend_name);

TEST_P(LayerNormTest, NormalisesRows) {
  for (const Extents extents : kLayerNormExtents) {
    const LayerNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected;
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        expected.push_back(in.normal(i, j) * static_cast<double>(in.gain[j]) +
                           static_cast<double>(in.bias[j]));
      }
    }
    expected = joined(joined(expected, in.mean), in.rstd);
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, 2e-5, [&] {
        const TensorView x = tensor({1, N, C}, in.x);
        const TensorView y = in_place ? x : unset(x.shape());
        const TensorView mean = unset({1, N});
        const TensorView rstd = unset({N});
        layer_norm(stream(), y, mean, rstd, x, tensor({C}, in.gain), tensor({C}, in.bias),
                   kLayerNormEpsilon);
        return values_of({y, mean, rstd});
      });
    }
  }
}

TEST_P(LayerNormTest, FindsTheGradientOfItsInput) {
  for (const Extents extents : kLayerNormExtents) {
    const LayerNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected;
    for (std::int64_t i = 0; i < N; ++i) {
      double sum = 0.0;
      double sum_with_normal = 0.0;
      for (std::int64_t j = 0; j < C; ++j) {
        sum += in.g(i, j) / static_cast<double>(C);
        sum_with_normal += in.g(i, j) * in.normal(i, j) / static_cast<double>(C);
      }
      for (std::int64_t j = 0; j < C; ++j) {
        expected.push_back(in.rstd[i] * (in.g(i, j) - sum - in.normal(i, j) * sum_with_normal));
      }
    }
    // Where a row has one column, its gradient is 0 times a large rstd.
    const double tolerance = C == 1 ? 2e-4 : 2e-5;
    for (const bool in_place : {false, true}) {
      expect_in_every_way(expected, tolerance, [&] {
        const TensorView dy = tensor({N, C}, in.dy);
        const TensorView dx = in_place ? dy : unset(dy.shape());
        layer_norm_backward_input(stream(), dx, dy, tensor({N, C}, in.x),
                                  tensor({N}, to_floats(in.mean)), tensor({N}, to_floats(in.rstd)),
                                  tensor({C}, in.gain));
        return values(dx);
      });
    }
  }
}

TEST_P(LayerNormTest, AddsTheGradientsOfGainAndBias) {
  for (const Extents extents : kExtentsOfSums) {
    const LayerNormInputs in(extents);
    const std::int64_t N = in.N;
    const std::int64_t C = in.C;
    SCOPED_TRACE(C);
    Doubles expected(static_cast<std::size_t>(2 * C), 0.5);
    for (std::int64_t i = 0; i < N; ++i) {
      for (std::int64_t j = 0; j < C; ++j) {
        expected[j] += static_cast<double>(in.dy[i * C + j]) * in.normal(i, j);
        expected[C + j] += static_cast<double>(in.dy[i * C + j]);
      }
    }
    expect_in_every_way(expected, 2e-5, [&] {
      const TensorView dgain = filled({C}, 0.5F);
      const TensorView dbias = filled({C}, 0.5F);
      layer_norm_backward_weight(stream(), dgain, dbias, tensor({N, C}, in.dy),
                                 tensor({N, C}, in.x), tensor({N}, to_floats(in.mean)),
                                 tensor({N}, to_floats(in.rstd)));
      return values_of({dgain, dbias});
    });
  }
}

}  // namespace
}  // namespace lockflight::ops
