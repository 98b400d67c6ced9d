#include "ops/cpu/mean_squared_error.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

TEST(MeanSquaredErrorKernelTest, FindsTheMeanAndItsGradient) {
  for (const std::int64_t count : {1, 2, 17, 16384 * 2 + 3}) {
    const Floats x = normal_values(count, "x");
    const Floats y = normal_values(count, "y");
    const auto n = static_cast<double>(count);
    Doubles expected;
    double loss = 0.0;
    for (std::int64_t i = 0; i < count; ++i) {
      const double difference = static_cast<double>(x[i]) - static_cast<double>(y[i]);
      expected.push_back(3.0 * 2.0 * difference / n);
      loss += difference * difference / n;
    }
    expected.push_back(loss);
    expect_on_every_target(expected, 1e-6, [&](Team& team, float* dx) {
      dx[count] = mean_squared_error(team, dx, x.data(), y.data(), 3.0F, count);
      EXPECT_EQ(dx[count], mean_squared_error(team, nullptr, x.data(), y.data(), 3.0F, count));
    });
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
