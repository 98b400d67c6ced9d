#include "ops/cpu/clip_scale.h"

#include <cmath>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

namespace lockflight::ops::cpu {
namespace {

const double kInfinity = std::numeric_limits<double>::infinity();

float scale_of(const std::vector<double>& sums, double max_norm) {
  return clip_scale(sums.data(), std::ssize(sums), max_norm);
}

TEST(ClipScaleKernelTest, ScalesALargeNormToTheLargestAllowedAndLeavesASmallOne) {
  EXPECT_FLOAT_EQ(scale_of({9, 16}, 1), 0.2F);
  EXPECT_FLOAT_EQ(scale_of({9, 16}, 2.5), 0.5F);
  EXPECT_EQ(scale_of({9, 16}, 5), 1.0F);
  EXPECT_EQ(scale_of({9, 16}, 100), 1.0F);
  EXPECT_EQ(scale_of({0, 0}, 1), 1.0F);
  EXPECT_EQ(scale_of({}, 1), 1.0F);
}

TEST(ClipScaleKernelTest, InfinityClipsNothing) { EXPECT_EQ(scale_of({1e300}, kInfinity), 1.0F); }

TEST(ClipScaleKernelTest, IsNoNumberWhenTheNormIsNotFinite) {
  for (const double max_norm : {1.0, kInfinity}) {
    EXPECT_TRUE(std::isnan(scale_of({1, std::nan("")}, max_norm)));
    EXPECT_TRUE(std::isnan(scale_of({kInfinity, 1}, max_norm)));
    EXPECT_TRUE(std::isnan(scale_of({1e308, 1e308}, max_norm)));
  }
}

}  // namespace
}  // namespace lockflight::ops::cpu
