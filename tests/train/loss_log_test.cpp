#include "lockflight/train/loss_log.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <limits>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

TEST(LossLogTest, ALineHasTheStepTheDecimalAndTheHexadecimal) {
  EXPECT_EQ(loss_line(12, 3.21875F), "step 12 loss 3.21875 0x1.9cp+1");
  EXPECT_EQ(loss_line(0, 1.0F), "step 0 loss 1 0x1p+0");
  EXPECT_EQ(loss_line(1, 0.1F), "step 1 loss 0.1 0x1.99999ap-4");
}

TEST(LossLogTest, BothNumbersReadBackAsTheSameBits) {
  Random random({.seed = 5});
  for (int i = 0; i < 2000; ++i) {
    const auto loss = std::bit_cast<float>(random.next_u32());
    if (!std::isfinite(loss)) {
      continue;
    }
    std::istringstream line(loss_line(i, loss));
    std::string word;
    std::string decimal;
    std::string hexadecimal;
    line >> word >> word >> word >> decimal >> hexadecimal;
    EXPECT_EQ(std::bit_cast<std::uint32_t>(std::strtof(decimal.c_str(), nullptr)),
              std::bit_cast<std::uint32_t>(loss));
    EXPECT_EQ(std::bit_cast<std::uint32_t>(std::strtof(hexadecimal.c_str(), nullptr)),
              std::bit_cast<std::uint32_t>(loss));
  }
}

TEST(LossLogTest, SaysSoWhenALossIsNoNumber) {
  EXPECT_EQ(loss_line(3, std::numeric_limits<float>::quiet_NaN()), "step 3 loss nan nan");
  EXPECT_EQ(loss_line(3, std::numeric_limits<float>::infinity()), "step 3 loss inf inf");
}

TEST(LossLogTest, EachLineIsInTheFileAtOnceAndALogCanBeContinued) {
  const ScratchFolder folder;
  {
    LossLog log(folder / "loss.txt");
    log.add(0, 2.0F);
    EXPECT_EQ(read_file(folder / "loss.txt"), "step 0 loss 2 0x1p+1\n");
    log.add(1, 1.0F);
  }
  LossLog more(folder / "loss.txt", 2);
  more.add(2, 0.5F);
  EXPECT_EQ(read_file(folder / "loss.txt"),
            "step 0 loss 2 0x1p+1\nstep 1 loss 1 0x1p+0\nstep 2 loss 0.5 0x1p-1\n");
  LossLog fresh(folder / "loss.txt");
  EXPECT_EQ(read_file(folder / "loss.txt"), "");
}

TEST(LossLogTest, ALogIsContinuedAtTheStepOfTheCheckpoint) {
  const ScratchFolder folder;
  write_file(folder / "loss.txt",
             "step 8 loss 2 0x1p+1\nstep 9 loss 1 0x1p+0\nstep 10 loss 4 0x1p+2\nstep 11 lo");
  LossLog log(folder / "loss.txt", 10);
  log.add(10, 0.5F);
  EXPECT_EQ(read_file(folder / "loss.txt"),
            "step 8 loss 2 0x1p+1\nstep 9 loss 1 0x1p+0\nstep 10 loss 0.5 0x1p-1\n");
}

TEST(LossLogTest, FailuresNameFileAndReason) {
  LossLog full("/dev/full");
  EXPECT_THAT(error_text<FileError>([&] { full.add(0, 1); }),
              testing::AllOf(testing::HasSubstr("/dev/full"), testing::HasSubstr("No space")));
  EXPECT_THAT(error_text<FileError>([] { LossLog("/nowhere/loss.txt"); }),
              testing::HasSubstr("No such file"));
}

}  // namespace
}  // namespace lockflight::train
