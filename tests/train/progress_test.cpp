#include "lockflight/train/progress.h"

#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lockflight::train {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

const ProgressState kState{.step = 250,
                           .steps = 1000,
                           .loss = 2.31414,
                           .validation_loss = 2.40216,
                           .tokens_per_second = 18345,
                           .bubble = 0.1189,
                           .seconds_left = 161.4};

TEST(ProgressTest, ALineHasAllNumbers) {
  EXPECT_EQ(progress_line(kState),
            "step  250/1000  loss 2.3141  validation 2.4022  18.3k tokens/s  bubble 11.9 %  "
            "2:41 left");
}

TEST(ProgressTest, ALineLeavesOutWhatIsNotKnown) {
  EXPECT_EQ(progress_line({.step = 1, .steps = 5, .loss = 5.5, .tokens_per_second = 70}),
            "step 1/5  loss 5.5000  70 tokens/s");
}

TEST(ProgressTest, ABarFillsTheShareOfItsStepsAndTheWidthIsKept) {
  const std::string line = progress_bar(kState, 120);
  EXPECT_EQ(line,
            "[=======>                         ]  "
            " 250/1000  loss 2.3141  validation 2.4022  18.3k tokens/s  bubble 11.9 %  2:41 left");
  for (int columns = 0; columns < 200; ++columns) {
    EXPECT_LE(progress_bar(kState, columns).size(), static_cast<std::size_t>(columns));
  }
}

TEST(ProgressTest, WithLittleRoomTheNumbersOnTheRightGoFirst) {
  EXPECT_THAT(progress_bar(kState, 50), HasSubstr("loss 2.3141"));
  EXPECT_THAT(progress_bar(kState, 50), Not(HasSubstr("left")));
  EXPECT_EQ(progress_bar(kState, 12), " 250/1000");
}

TEST(ProgressTest, ABarIsEmptyAtTheStartAndFullAtTheEnd) {
  ProgressState state{.step = 0, .steps = 8};
  EXPECT_THAT(progress_bar(state, 60), StartsWith("[    "));
  state.step = 8;
  const std::string full = progress_bar(state, 60);
  EXPECT_THAT(full, StartsWith("[====="));
  EXPECT_EQ(full.find('>'), std::string::npos);
}

TEST(ProgressTest, TimesAreMinutesAndSecondsThenHours) {
  EXPECT_EQ(clock_time(0), "0:00");
  EXPECT_EQ(clock_time(6.6), "0:07");
  EXPECT_EQ(clock_time(59.6), "1:00");
  EXPECT_EQ(clock_time(3599.4), "59:59");
  EXPECT_EQ(clock_time(11100), "3:05:00");
}

TEST(ProgressTest, TheTimeLeftIsThatOfTheStepsDoneSoFar) {
  EXPECT_EQ(time_left(0, 0, 10, 5), std::nullopt);
  EXPECT_EQ(time_left(0, 4, 10, 8), 12);
  EXPECT_EQ(time_left(100, 104, 110, 8), 12);  // after a resume at step 100
  EXPECT_EQ(time_left(0, 10, 10, 20), 0);
}

TEST(ProgressTest, WritesALineAtEachIntervalAndAtTheLastStepWhenThereIsNoTerminal) {
  std::ostringstream out;
  Progress progress(out, {.line_interval = 4});
  for (int step = 1; step <= 10; ++step) {
    progress.show({.step = step, .steps = 10});
  }
  progress.pause();
  std::istringstream lines(out.str());
  for (const char* begin : {"step  4/10", "step  8/10", "step 10/10"}) {
    std::string line;
    std::getline(lines, line);
    EXPECT_THAT(line, StartsWith(begin));
    EXPECT_EQ(line.find('\x1b'), std::string::npos);
  }
  EXPECT_EQ(lines.peek(), EOF);
}

TEST(ProgressTest, DrawsOverTheSameLineOfATerminalUntilItPauses) {
  std::ostringstream out;
  Progress progress(out, {.terminal = true, .columns = 40});
  progress.show({.step = 1, .steps = 2});
  progress.show({.step = 2, .steps = 2});
  EXPECT_EQ(out.str().find('\n'), std::string::npos);
  progress.pause();
  progress.pause();
  EXPECT_EQ(out.str(), "\r\x1b[K" + progress_bar({.step = 1, .steps = 2}, 39) + "\r\x1b[K" +
                           progress_bar({.step = 2, .steps = 2}, 39) + "\n");
}

}  // namespace
}  // namespace lockflight::train
