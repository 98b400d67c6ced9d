#include "tools/statistics.h"

#include <gtest/gtest.h>

namespace lockflight::tools {
namespace {

TEST(StatisticsTest, OfSamplesInAnyOrderTakesWhatLiesInProportionBetweenThem) {
  const Summary summary = summary_of({40, 10, 30, 20});
  EXPECT_DOUBLE_EQ(summary.least, 10);
  EXPECT_DOUBLE_EQ(summary.lower_quartile, 17.5);
  EXPECT_DOUBLE_EQ(summary.median, 25);
  EXPECT_DOUBLE_EQ(summary.upper_quartile, 32.5);
  EXPECT_DOUBLE_EQ(summary.most, 40);
  EXPECT_DOUBLE_EQ(median({3, 1, 2}), 2);
}

TEST(StatisticsTest, OfOneSampleIsThatSampleAndOfNoneIsZero) {
  const Summary one = summary_of({7});
  EXPECT_DOUBLE_EQ(one.lower_quartile, 7);
  EXPECT_DOUBLE_EQ(one.most, 7);
  EXPECT_DOUBLE_EQ(summary_of({}).median, 0);
}

}  // namespace
}  // namespace lockflight::tools
