#include "tools/bytes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

TEST(BytesTest, ReadsBothKindsOfUnits) {
  EXPECT_EQ(parse_bytes("--memory", ""), 0U);
  EXPECT_EQ(parse_bytes("--memory", "1000"), 1000U);
  EXPECT_EQ(parse_bytes("--memory", "512B"), 512U);
  EXPECT_EQ(parse_bytes("--memory", "80GiB"), std::size_t{80} << 30);
  EXPECT_EQ(parse_bytes("--memory", "1.5 KiB"), 1536U);
  EXPECT_EQ(parse_bytes("--memory", "24GB"), 24'000'000'000U);
}

TEST(BytesTest, RefusesWhatIsNoSize) {
  for (const char* text :
       {"GiB", "0", "-1GiB", "1 gib", "1GiBs", "nan", "inf", "1e30", "0x10", "1,5GiB"}) {
    EXPECT_THAT([&] { parse_bytes("--memory", text); },
                testing::ThrowsMessage<InvalidArgument>(testing::HasSubstr("--memory is \"")))
        << text;
  }
}

}  // namespace
}  // namespace lockflight::tools
