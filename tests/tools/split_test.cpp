#include "tools/split.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

std::string refusal(std::string_view text, int stages, std::int64_t blocks) {
  try {
    parse_split(text, stages, layers_of_gpt(blocks));
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "";
}

TEST(SplitTest, AutoLeavesTheCutToThePlan) { EXPECT_THAT(parse_split("auto", 3, 15), IsEmpty()); }

TEST(SplitTest, EvenGivesEveryStageAsManyLayersOrOneMore) {
  EXPECT_THAT(parse_split("even", 3, 15), ElementsAre(5, 5, 5));
  EXPECT_THAT(parse_split("even", 4, 15), ElementsAre(4, 4, 4, 3));
  EXPECT_THROW(parse_split("even", 16, 15), InvalidArgument);
}

TEST(SplitTest, CountsInAllLayersOfTheModel) {
  EXPECT_THAT(parse_split("3,1,11", 3, 15), ElementsAre(3, 1, 11));
}

TEST(SplitTest, CountsInBlocksWithEmbeddingFirstAndNormAndHeadLast) {
  EXPECT_THAT(parse_split("1,3,2", 3, 15), ElementsAre(3, 6, 6));
  EXPECT_THAT(parse_split("6", 1, 15), ElementsAre(15));
}

TEST(SplitTest, RefusesAnotherSumAndNamesBothThatWork) {
  EXPECT_THAT(refusal("1,3,3", 3, 6),
              testing::AllOf(HasSubstr("adds up to 7"), HasSubstr("to 6 (blocks)"),
                             HasSubstr("to 15 (all layers")));
}

TEST(SplitTest, RefusesAnotherNumberOfStages) {
  EXPECT_THAT(refusal("3,3", 3, 6), HasSubstr("is for 2 stages, there are 3"));
}

TEST(SplitTest, RefusesWhatIsNoListOfPositiveNumbers) {
  for (const char* text :
       {"", "1,,2", "1,3,", ",1", "0,6", "-1,7", "1 5", "odd", "1;5", "1.5,4.5", "99999999999"}) {
    EXPECT_THAT(refusal(text, 2, 6), HasSubstr("it must be auto, even, or a number")) << text;
  }
}

TEST(SplitTest, SumsBeyondTheRangeOfIntAreAWrongSum) {
  EXPECT_THAT(refusal("2147483647,2147483647", 2, 6), HasSubstr("adds up to 4294967294"));
}

}  // namespace
}  // namespace lockflight::tools
