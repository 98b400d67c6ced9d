#include "lockflight/ops/rope.h"

#include <array>
#include <complex>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

struct RopeCase {
  Shape x;  // [B, T, columns]
  RopeOptions options;
};

// Everything rotated, a third left as it is, tails, several pieces of positions, another base.
const auto kRopeCases = std::to_array<RopeCase>({
    {{1, 1, 2}, {.heads = 1, .head_width = 2}},
    {{2, 3, 12}, {.heads = 1, .head_width = 4}},
    {{3, 17, 45}, {.heads = 3, .head_width = 10}},
    {{1, 70, 96}, {.heads = 2, .head_width = 32, .base = 100}},
    {{2, 300, 60}, {.heads = 2, .head_width = 20}},
    {{1, 2048, 16}, {.heads = 1, .head_width = 16}},
});

// A pair of channels is a complex number, multiplied by e^(i angle).
Doubles turned(const Floats& x, const RopeCase& c, double direction) {
  Doubles y = to_doubles(x);
  const auto [heads, D, base] = c.options;
  const std::int64_t half = D / 2;
  for (std::int64_t row = 0; row < c.x.rows(); ++row) {
    const auto t = static_cast<double>(row % c.x[1]);
    for (std::int64_t h = 0; h < heads; ++h) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double exponent = -2.0 * static_cast<double>(i) / static_cast<double>(D);
        const std::int64_t first = row * c.x.columns() + h * D + i;
        const auto pair = std::complex<double>(y[first], y[first + half]) *
                          std::polar(1.0, direction * t * std::pow(base, exponent));
        y[first] = pair.real();
        y[first + half] = pair.imag();
      }
    }
  }
  return y;
}

class RopeTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, RopeTest, test::all_backends(), test::backend_name);

TEST_P(RopeTest, TurnsPairsByTheirPosition) {
  for (const RopeCase& c : kRopeCases) {
    SCOPED_TRACE(to_string(c.x));
    const Floats in = normal_values(c.x.elements(), "x");
    expect_in_every_way(turned(in, c, 1.0), 1e-6, [&] {
      const TensorView x = tensor(c.x, in);
      rope(stream(), x, c.options);
      return values(x);
    });
  }
}

// The gradient of a rotation is the rotation back: its transpose.
TEST_P(RopeTest, TurnsGradientsBack) {
  for (const RopeCase& c : kRopeCases) {
    SCOPED_TRACE(to_string(c.x));
    const Floats in = normal_values(c.x.elements(), "x");
    expect_in_every_way(turned(in, c, -1.0), 1e-6, [&] {
      const TensorView dx = tensor(c.x, in);
      rope_backward(stream(), dx, c.options);
      return values(dx);
    });
  }
}

TEST_P(RopeTest, ScoresDependOnTheDistanceOfPositionsAlone) {
  // One query and one key, repeated at all positions.
  constexpr std::int64_t kD = 8;
  constexpr std::int64_t kT = 40;
  const Floats pair = joined(normal_values(kD, "query"), normal_values(kD, "key"));
  Floats in;
  for (std::int64_t t = 0; t < kT; ++t) {
    in = joined(in, pair);
  }
  const TensorView rotated = tensor({1, kT, 2 * kD}, in);
  rope(stream(), rotated, {.heads = 2, .head_width = kD});
  const Floats x = values(rotated);
  const auto score = [&](std::int64_t t, std::int64_t s) {
    double sum = 0.0;
    for (std::int64_t d = 0; d < kD; ++d) {
      sum += static_cast<double>(x[t * 2 * kD + d]) * static_cast<double>(x[s * 2 * kD + kD + d]);
    }
    return sum;
  };
  for (std::int64_t t = 5; t < kT; ++t) {
    EXPECT_NEAR(score(t, t - 5), score(5, 0), 1e-5) << t;
    EXPECT_GT(std::abs(score(t, t - 5) - score(t, t - 4)), 1e-2) << t;
  }
}

}  // namespace
}  // namespace lockflight::ops
