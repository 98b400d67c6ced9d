#include "lockflight/train/learning_rate.h"

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::train {
namespace {

using RateShape = LearningRate::Shape;

TEST(LearningRateTest, ConstantIsTheSameAtEveryStep) {
  const LearningRate rate{.peak = 0.25};
  rate.check();
  for (const int step : {0, 1, 7, 1000000}) {
    EXPECT_EQ(rate.at(step), 0.25);
  }
}

TEST(LearningRateTest, WarmUpIsAStraightLineThatReachesThePeakInItsLastStep) {
  for (const RateShape shape : {RateShape::constant, RateShape::cosine}) {
    const LearningRate rate{.shape = shape, .peak = 0.5, .warm_up_steps = 4, .steps = 20};
    rate.check();
    EXPECT_EQ(rate.at(0), 0.125);
    EXPECT_EQ(rate.at(1), 0.25);
    EXPECT_EQ(rate.at(2), 0.375);
    EXPECT_EQ(rate.at(3), 0.5);
    EXPECT_EQ(rate.at(4), 0.5);
  }
}

TEST(LearningRateTest, CosineHasItsClosedFormAtThirdsOfItsWay) {
  const LearningRate rate{
      .shape = RateShape::cosine, .peak = 1.0, .floor = 0.2, .warm_up_steps = 3, .steps = 15};
  rate.check();
  EXPECT_DOUBLE_EQ(rate.at(3), 1.0);
  EXPECT_DOUBLE_EQ(rate.at(7), 0.2 + 0.8 * 0.75);   // cos 60° = 1/2
  EXPECT_DOUBLE_EQ(rate.at(9), 0.6);                // cos 90° = 0
  EXPECT_DOUBLE_EQ(rate.at(11), 0.2 + 0.8 * 0.25);  // cos 120° = -1/2
  EXPECT_DOUBLE_EQ(rate.at(15), 0.2);
  EXPECT_DOUBLE_EQ(rate.at(16), 0.2);
}

TEST(LearningRateTest, CosineNeverRisesAfterTheWarmUp) {
  const LearningRate rate{
      .shape = RateShape::cosine, .peak = 3e-4, .floor = 3e-5, .warm_up_steps = 10, .steps = 200};
  for (int step = 10; step < 250; ++step) {
    EXPECT_LE(rate.at(step + 1), rate.at(step)) << step;
    EXPECT_GE(rate.at(step + 1), 3e-5 * (1 - 1e-12)) << step;
  }
}

TEST(LearningRateTest, AWarmUpAsLongAsTheRunEndsAtThePeakThenFalls) {
  const LearningRate rate{.shape = RateShape::cosine, .peak = 1, .warm_up_steps = 5, .steps = 5};
  rate.check();
  EXPECT_EQ(rate.at(4), 1);
  EXPECT_EQ(rate.at(5), 0);
}

TEST(LearningRateTest, RefusesWhatCannotWork) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_THROW(LearningRate{.peak = -1}.check(), InvalidArgument);
  EXPECT_THROW(LearningRate{.peak = nan}.check(), InvalidArgument);
  EXPECT_THROW(LearningRate{.warm_up_steps = -1}.check(), InvalidArgument);
  const LearningRate high_floor{.shape = RateShape::cosine, .peak = 1, .floor = 2, .steps = 5};
  EXPECT_THROW(high_floor.check(), InvalidArgument);
  const LearningRate long_warm_up{.shape = RateShape::cosine, .warm_up_steps = 6, .steps = 5};
  EXPECT_THROW(long_warm_up.check(), InvalidArgument);
}

}  // namespace
}  // namespace lockflight::train
