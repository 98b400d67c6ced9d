#include "ops/cpu/elementwise.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

class ElementwiseKernelTest : public testing::TestWithParam<std::int64_t> {
 protected:
  const std::int64_t count = GetParam();
  const Floats x = normal_values(count, "x");
  const Floats y = normal_values(count, "y");

  template <class Formula>
  Doubles each(const Formula& formula) const {
    Doubles result;
    for (std::int64_t i = 0; i < count; ++i) {
      result.push_back(formula(static_cast<double>(x[i]), static_cast<double>(y[i])));
    }
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(Counts, ElementwiseKernelTest,
                         testing::Values(1, 2, 15, 16, 17, 97, 16384, 16384 * 2 + 3));

TEST_P(ElementwiseKernelTest, Adds) {
  expect_on_every_target(each([](double a, double b) { return a + b; }), 1e-7,
                         [&](Team& team, float* z) { add(team, z, x.data(), y.data(), count); });
}

TEST_P(ElementwiseKernelTest, Scales) {
  expect_on_every_target(each([](double a, double) { return 0.7 * a; }), 1e-7,
                         [&](Team& team, float* z) { scale(team, z, x.data(), 0.7F, count); });
}

TEST_P(ElementwiseKernelTest, Accumulates) {
  expect_on_every_target(
      each([](double a, double) { return 0.5 + 0.7 * a; }), 1e-7,
      [&](Team& team, float* z) { accumulate_scaled(team, z, x.data(), 0.7F, count); }, 0.5F);
}

TEST_P(ElementwiseKernelTest, CopiesAndFills) {
  expect_on_every_target(each([](double a, double) { return a; }), 0.0,
                         [&](Team& team, float* z) { copy(team, z, x.data(), count); });
  expect_on_every_target(each([](double, double) { return 0.25; }), 0.0,
                         [&](Team& team, float* z) { fill(team, z, 0.25F, count); });
}

}  // namespace
}  // namespace lockflight::ops::cpu
