#include "core/text_place.h"

#include <gtest/gtest.h>

namespace lockflight {
namespace {

TEST(TextPlaceTest, CountsLinesAndColumnsFromOne) {
  EXPECT_EQ(text_place("", 0), "line 1, column 1");
  EXPECT_EQ(text_place("abc", 2), "line 1, column 3");
  EXPECT_EQ(text_place("abc", 3), "line 1, column 4");
  EXPECT_EQ(text_place("a\nbc\n", 1), "line 1, column 2");
  EXPECT_EQ(text_place("a\nbc\n", 2), "line 2, column 1");
  EXPECT_EQ(text_place("a\nbc\n", 3), "line 2, column 2");
  EXPECT_EQ(text_place("a\nbc\n", 5), "line 3, column 1");
}

TEST(TextPlaceTest, CountsCharactersNotBytes) {
  const std::string_view text = "é\n\"µs\": −1";
  EXPECT_EQ(text_place(text, text.find("−1")), "line 2, column 7");
}

}  // namespace
}  // namespace lockflight
