#include "lockflight/ops/dropout.h"

#include <algorithm>
#include <cmath>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

constexpr RandomKey kKey{.seed = 0x123456789ABCDEF0, .step = 7, .layer = 3, .micro_batch = 5};

class DropoutTest : public OpTest {};

INSTANTIATE_TEST_SUITE_P(On, DropoutTest, test::all_backends(), test::backend_name);

TEST_P(DropoutTest, KeepsWhatPhiloxSays) {
  for (const std::int64_t count : {1, 3, 4, 31, 32, 33, 1000, 1025, 16384 + 5}) {
    SCOPED_TRACE(count);
    const Floats x = normal_values(count, "x");
    for (const float rate : {0.0F, 0.25F, 0.9F}) {
      Floats expected;
      for (std::int64_t i = 0; i < count; ++i) {
        const std::uint32_t word = philox(kKey, static_cast<std::uint64_t>(i) / 4)[i % 4];
        const bool kept = static_cast<double>(word) >= static_cast<double>(rate) * 0x1.0p32;
        expected.push_back(kept ? x[i] * (1.0F / (1.0F - rate)) : 0.0F);
      }
      for (const bool in_place : {false, true}) {
        in_every_way(
            [&] {
              const TensorView in = tensor({count}, x);
              const TensorView y = in_place ? in : unset({count});
              dropout(stream(), y, in, rate, kKey);
              return values(y);
            },
            [&](const Floats& y) { EXPECT_EQ(y, expected); });
      }
    }
  }
}

TEST_P(DropoutTest, KeepsAnElementWhoseWordIsTheRate) {
  std::int64_t e = 0;
  std::uint32_t word = 1;
  while (word % 256 != 0) {  // until it has no more bits than a float
    ++e;
    word = philox(kKey, static_cast<std::uint64_t>(e) / 4)[e % 4];
  }
  const float rate = static_cast<float>(word) * 0x1.0p-32F;
  const TensorView ones = filled({e + 1}, 1.0F);
  dropout(stream(), ones, ones, rate, kKey);
  EXPECT_EQ(values(ones).back(), 1.0F / (1.0F - rate));
}

TEST_P(DropoutTest, DropsAtTheRateAskedFor) {
  constexpr std::int64_t kCount = 1 << 20;
  const TensorView ones = filled({kCount}, 1.0F);
  dropout(stream(), ones, ones, 0.1F, kKey);
  const Floats y = values(ones);
  const auto dropped = static_cast<double>(std::count(y.begin(), y.end(), 0.0F));
  // Five standard deviations of a binomial.
  EXPECT_NEAR(dropped / kCount, 0.1, 5.0 * std::sqrt(0.09 / kCount));
}

}  // namespace
}  // namespace lockflight::ops
