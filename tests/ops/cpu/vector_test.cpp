#include <bit>
#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ops/cpu/vector_test.cpp"
#include <hwy/foreach_target.h>

#include "ops/cpu/targets.h"
#include "ops/cpu/vector-inl.h"
#include "ops/values.h"

HWY_BEFORE_NAMESPACE();
namespace lockflight::ops::cpu::HWY_NAMESPACE {

void exp2_elements(float* y, const float* x, std::int64_t count) {
  for_each_vector(count, [&](std::int64_t i, auto part)
                             HWY_ATTR { store(exp2(load(x + i, part)), y + i, part); });
}

}  // namespace lockflight::ops::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace lockflight::ops::cpu {
namespace {

HWY_EXPORT(exp2_elements);

TEST(VectorTest, PowersOfTwoAreRightToTwoUnitsInTheLastPlace) {
  // Every 997th float between 2^-30 and 127.4, and from there down to -126.
  Floats x;
  for (std::uint32_t bits = std::bit_cast<std::uint32_t>(0x1p-30F);
       bits < std::bit_cast<std::uint32_t>(127.4F); bits += 997) {
    x.push_back(std::bit_cast<float>(bits));
    if (x.back() <= 126.0F) {
      x.push_back(-x.back());
    }
  }
  on_every_target([&] {
    Floats y(x.size());
    HWY_DYNAMIC_DISPATCH(exp2_elements)(y.data(), x.data(), std::ssize(x));
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double exact = std::exp2(static_cast<double>(x[i]));
      const double ulp = std::exp2(std::floor(static_cast<double>(x[i])) - 23.0);
      ASSERT_LE(std::abs(static_cast<double>(y[i]) - exact), 2.0 * ulp) << x[i];
    }
  });
}

TEST(VectorTest, PowersOfTwoAreZeroBelowTheSmallestNormalAndKeepNaN) {
  const Floats x = {-127.0F, -1e30F, -INFINITY, 0.0F, -126.0F, 127.0F};
  on_every_target([&] {
    Floats y(x.size());
    HWY_DYNAMIC_DISPATCH(exp2_elements)(y.data(), x.data(), std::ssize(x));
    EXPECT_EQ(y, (Floats{0.0F, 0.0F, 0.0F, 1.0F, 0x1p-126F, 0x1p127F}));
    Floats with_nan = {NAN};
    HWY_DYNAMIC_DISPATCH(exp2_elements)(with_nan.data(), with_nan.data(), 1);
    EXPECT_TRUE(std::isnan(with_nan[0]));
  });
}

}  // namespace
}  // namespace lockflight::ops::cpu
#endif
