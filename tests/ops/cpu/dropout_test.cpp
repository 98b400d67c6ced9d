#include "ops/cpu/dropout.h"

#include "ops/cpu/kernel_checks.h"

namespace lockflight::ops::cpu {
namespace {

constexpr RandomKey kKey{.seed = 0x123456789ABCDEF0, .step = 7, .layer = 3, .micro_batch = 5};

class DropoutKernelTest : public testing::TestWithParam<std::int64_t> {};

INSTANTIATE_TEST_SUITE_P(Counts, DropoutKernelTest,
                         testing::Values(1, 3, 4, 31, 32, 33, 1000, 16384 + 5));

TEST_P(DropoutKernelTest, KeepsWhatPhiloxSays) {
  const std::int64_t count = GetParam();
  const Floats x = normal_values(count, "x");
  for (const float rate : {0.0F, 0.25F, 0.9F}) {
    Doubles expected;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::uint32_t word = philox(kKey, static_cast<std::uint64_t>(i) / 4)[i % 4];
      const bool kept = static_cast<double>(word) >= static_cast<double>(rate) * 0x1.0p32;
      expected.push_back(kept ? static_cast<double>(x[i]) / (1.0 - static_cast<double>(rate))
                              : 0.0);
    }
    expect_on_every_target(expected, 1e-6, [&](Team& team, float* y) {
      dropout(team, y, x.data(), rate, kKey, count);
    });
  }
}

TEST(DropoutKernelTest, DropsAtTheRateAskedFor) {
  constexpr std::int64_t kCount = 1 << 20;
  const Floats ones(kCount, 1.0F);
  Floats y(kCount);
  Team team(1);
  dropout(team, y.data(), ones.data(), 0.1F, kKey, kCount);
  const auto dropped = static_cast<double>(std::count(y.begin(), y.end(), 0.0F));
  // Five standard deviations of a binomial.
  EXPECT_NEAR(dropped / kCount, 0.1, 5.0 * std::sqrt(0.09 / kCount));
}

}  // namespace
}  // namespace lockflight::ops::cpu
