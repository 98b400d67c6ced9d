#include "core/svg.h"

#include <algorithm>
#include <cmath>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/random.h"

namespace lockflight::svg {
namespace {

TEST(SvgTest, NumbersAreShort) {
  EXPECT_EQ(number(0), "0");
  EXPECT_EQ(number(100), "100");
  EXPECT_EQ(number(-12.5), "-12.5");
  EXPECT_EQ(number(1.0 / 3), "0.33");
  EXPECT_EQ(number(1.999), "2");
  EXPECT_EQ(number(-0.001), "0");
  EXPECT_EQ(number(123456.78), "123456.78");
}

TEST(SvgTest, TextIsEscaped) {
  EXPECT_EQ(escaped("a < b & \"c\" > d"), "a &lt; b &amp; &quot;c&quot; &gt; d");
  EXPECT_EQ(escaped("Größe µ € 😀\t\n"), "Größe µ € 😀\t\n");
}

TEST(SvgTest, WhatXmlCannotHoldIsReplaced) {
  const std::string replacement = "\xef\xbf\xbd";
  EXPECT_EQ(escaped(std::string("a\0b", 3)), "a" + replacement + "b");
  EXPECT_EQ(escaped("\x01"), replacement);
  EXPECT_EQ(escaped("\xff<"), replacement + "&lt;");
  EXPECT_EQ(escaped("\xc3"), replacement);                                      // cut
  EXPECT_EQ(escaped("\xc0\x80"), replacement + replacement);                    // too long
  EXPECT_EQ(escaped("\xed\xa0\x80"), replacement + replacement + replacement);  // surrogate
  EXPECT_EQ(escaped("\xef\xbf\xbf"), replacement + replacement + replacement);  // U+FFFF
  EXPECT_EQ(escaped("\xf4\x90\x80\x80"), replacement + replacement + replacement + replacement);
}

TEST(RoundTicksTest, AreRoundNumbersThatCoverTheRange) {
  EXPECT_THAT(round_ticks(0, 1000, 5), testing::ElementsAre(0, 200, 400, 600, 800, 1000));
  EXPECT_THAT(round_ticks(1.9, 5.6, 7), testing::ElementsAre(1, 2, 3, 4, 5, 6));
  Random random({.seed = 2});
  for (int i = 0; i < 2000; ++i) {
    const double low = random.next_normal() * std::pow(10.0, static_cast<double>(i % 12) - 6);
    const double high = low + std::abs(random.next_normal()) * std::pow(10.0, i % 7 - 3.0);
    const auto ticks = round_ticks(low, high, 6);
    ASSERT_GE(ticks.size(), 2U) << low << " " << high;
    ASSERT_LE(ticks.size(), 9U) << low << " " << high;
    const double distance = ticks[1] - ticks[0];
    EXPECT_LE(ticks.front(), low + distance * 1e-6);
    EXPECT_GE(ticks.back(), high - distance * 1e-6);
    EXPECT_GT(ticks.front(), low - distance * 1.001);
    EXPECT_LT(ticks[ticks.size() - 2], std::max(high, low + distance) + distance * 1e-6);
  }
}

TEST(RoundTicksTest, ARangeOfNothingStillHasTwoTicks) {
  EXPECT_EQ(round_ticks(3, 3, 6).size(), 2U);
  EXPECT_EQ(round_ticks(0, 0, 6).size(), 2U);
}

}  // namespace
}  // namespace lockflight::svg
