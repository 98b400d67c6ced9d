#include "tools/text_sample.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

using testing::ElementsAre;

TEST(TextSampleTest, BytesAreTokensUpTo256OfThem) {
  EXPECT_THAT(tokens_of("A\xff", 256), ElementsAre(65, 255));
  EXPECT_THAT(tokens_of("", 256), ElementsAre('\n'));
  EXPECT_EQ(text_of(65, 256), "A");
}

TEST(TextSampleTest, MoreTokensAreWrittenAsNumbers) {
  EXPECT_THAT(tokens_of("464 3290  318", 50257), ElementsAre(464, 3290, 318));
  EXPECT_THAT(tokens_of("", 50257), ElementsAre(0));
  EXPECT_THAT(tokens_of(" ", 50257), ElementsAre(0));
  EXPECT_EQ(text_of(464, 50257) + text_of(0, 50257), "464 0 ");
}

TEST(TextSampleTest, RefusesWhatTheModelDoesNotKnow) {
  EXPECT_THROW(tokens_of("\xff", 128), InvalidArgument);
  EXPECT_THROW(tokens_of("50257", 50257), InvalidArgument);
  EXPECT_THROW(tokens_of("-1", 50257), InvalidArgument);
  EXPECT_THROW(tokens_of("hello", 50257), InvalidArgument);
  EXPECT_THROW(tokens_of("99999999999", 50257), InvalidArgument);
}

TEST(TextSampleTest, ControlCharactersDoNotReachATerminal) {
  EXPECT_EQ(printable("a\x1b[2J\tb\n\x7f\xc3\xa9"), "a?[2J\tb\n?\xc3\xa9");
}

}  // namespace
}  // namespace lockflight::tools
