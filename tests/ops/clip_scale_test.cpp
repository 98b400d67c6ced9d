#include "lockflight/ops/clip_scale.h"

#include <cmath>
#include <limits>

#include "ops/op_test.h"

namespace lockflight::ops {
namespace {

class ClipScaleTest : public OpTest {
 protected:
  float scale_of(const Doubles& sums, double max_norm) {
    const TensorView scale = unset({});
    clip_scale(stream(), scale, tensor({std::ssize(sums)}, sums), max_norm);
    return values(scale).front();
  }
};

INSTANTIATE_TEST_SUITE_P(On, ClipScaleTest, test::all_backends(), test::backend_name);

TEST_P(ClipScaleTest, ScalesALargeNormToTheLargestAllowedAndLeavesASmallOne) {
  EXPECT_FLOAT_EQ(scale_of({9, 16}, 1), 0.2F);
  EXPECT_FLOAT_EQ(scale_of({9, 16}, 2.5), 0.5F);
  EXPECT_EQ(scale_of({9, 16}, 5), 1.0F);
  EXPECT_EQ(scale_of({9, 16}, 100), 1.0F);
  EXPECT_EQ(scale_of({0, 0}, 1), 1.0F);
  EXPECT_EQ(scale_of({}, 1), 1.0F);
}

TEST_P(ClipScaleTest, AddsUpInAscendingOrder) {
  // What is added to a large number is lost, one by one; added up first, it would count.
  Doubles sums(1000, 1.0);
  sums.front() = 0x1p54;
  EXPECT_EQ(scale_of(sums, 0x1p26), 0.5F);
  EXPECT_EQ(scale_of(sums, 0x1p27), 1.0F);
}

TEST_P(ClipScaleTest, InfinityClipsNothing) { EXPECT_EQ(scale_of({1e300}, kInfinity), 1.0F); }

TEST_P(ClipScaleTest, IsNoNumberWhenTheNormIsNotFinite) {
  for (const double max_norm : {1.0, kInfinity}) {
    EXPECT_TRUE(std::isnan(scale_of({1, std::nan("")}, max_norm)));
    EXPECT_TRUE(std::isnan(scale_of({kInfinity, 1}, max_norm)));
    EXPECT_TRUE(std::isnan(scale_of({1e308, 1e308}, max_norm)));
  }
}

}  // namespace
}  // namespace lockflight::ops
