#include "ops/cpu/rope.h"

#include <complex>

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {

static void PrintTo(const RopeShape& shape, std::ostream* out) {
  *out << "B" << shape.batch << "_T" << shape.length << "_columns" << shape.columns << "_H"
       << shape.heads << "_D" << shape.head_width;
}

namespace {

constexpr double kBase = 10000.0;

// A pair of channels is a complex number, multiplied by e^(i angle).
Doubles turned(const Floats& x, const RopeShape& shape, double direction) {
  Doubles y = to_doubles(x);
  const std::int64_t half = shape.head_width / 2;
  for (std::int64_t row = 0; row < shape.batch * shape.length; ++row) {
    const auto t = static_cast<double>(row % shape.length);
    for (std::int64_t h = 0; h < shape.heads; ++h) {
      for (std::int64_t i = 0; i < half; ++i) {
        const double exponent =
            -2.0 * static_cast<double>(i) / static_cast<double>(shape.head_width);
        const std::int64_t first = row * shape.columns + h * shape.head_width + i;
        const auto pair = std::complex<double>(y[first], y[first + half]) *
                          std::polar(1.0, direction * t * std::pow(kBase, exponent));
        y[first] = pair.real();
        y[first + half] = pair.imag();
      }
    }
  }
  return y;
}

class RopeKernelTest : public testing::TestWithParam<RopeShape> {
 protected:
  const RopeShape shape = GetParam();
  const Floats x = normal_values(shape.batch * shape.length * shape.columns, "x");
};

// Everything rotated, a third left as it is, tails, several pieces of positions.
INSTANTIATE_TEST_SUITE_P(Shapes, RopeKernelTest,
                         testing::Values(RopeShape{1, 1, 2, 1, 2}, RopeShape{2, 3, 12, 1, 4},
                                         RopeShape{3, 17, 45, 3, 10}, RopeShape{1, 70, 96, 2, 32},
                                         RopeShape{2, 300, 60, 2, 20},
                                         RopeShape{1, 2048, 16, 1, 16}));

TEST_P(RopeKernelTest, TurnsPairsByTheirPosition) {
  on_every_target(
      x, [&](Team& team, float* y) { rope(team, y, shape, kBase); },
      [&](const Floats& y) { expect_close(y, turned(x, shape, 1.0), 1e-6); });
}

// The gradient of a rotation is the rotation back: its transpose.
TEST_P(RopeKernelTest, TurnsGradientsBack) {
  on_every_target(
      x, [&](Team& team, float* dx) { rope_backward(team, dx, shape, kBase); },
      [&](const Floats& dx) { expect_close(dx, turned(x, shape, -1.0), 1e-6); });
}

TEST(RopeKernelTest, ScoresDependOnTheDistanceOfPositionsAlone) {
  // One query and one key, repeated at all positions.
  constexpr std::int64_t kD = 8;
  constexpr std::int64_t kT = 40;
  const Floats query = normal_values(kD, "query");
  const Floats key = normal_values(kD, "key");
  Floats x;
  for (std::int64_t t = 0; t < kT; ++t) {
    x.insert(x.end(), query.begin(), query.end());
    x.insert(x.end(), key.begin(), key.end());
  }
  Team team(1);
  rope(team, x.data(), {1, kT, 2 * kD, 2, kD}, kBase);
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
}  // namespace lockflight::ops::cpu
