#include "lockflight/train/token_file.h"

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::vector<std::int32_t> all_tokens(const TokenFile& file) {
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(file.size()));
  file.read(0, tokens);
  return tokens;
}

TEST(TokenFileTest, BytesOfATextAreItsTokens) {
  const ScratchFolder folder;
  write_file(folder / "t.txt", std::string("a\0\xff\n", 4));
  const TokenFile file(folder / "t.txt", TokenFormat::bytes, 256);
  EXPECT_THAT(all_tokens(file), ElementsAre(97, 0, 255, 10));
}

TEST(TokenFileTest, TwoBytesMakeATokenLowerByteFirst) {
  const ScratchFolder folder;
  write_file(folder / "t.bin", std::string("\x01\x00\x00\x01\x50\xc4", 6));
  const TokenFile file(folder / "t.bin", TokenFormat::uint16, 50257);
  EXPECT_THAT(all_tokens(file), ElementsAre(1, 256, 50256));
}

TEST(TokenFileTest, TheNameTellsTheFormat) {
  EXPECT_EQ(token_format_of("a/train.bin"), TokenFormat::uint16);
  EXPECT_EQ(token_format_of("a.bin/train.txt"), TokenFormat::bytes);
  EXPECT_EQ(token_format_of("GPL-3"), TokenFormat::bytes);
}

TEST(TokenFileTest, ReadsFromItsMiddleAndAfterAMove) {
  const ScratchFolder folder;
  write_file(folder / "t.txt", "abcdef");
  TokenFile first(folder / "t.txt", TokenFormat::bytes, 256);
  const TokenFile file = std::move(first);
  std::vector<std::int32_t> tokens(3);
  file.read(2, tokens);
  EXPECT_THAT(tokens, ElementsAre('c', 'd', 'e'));
  file.read(3, tokens);
  EXPECT_THROW(file.read(4, tokens), InvalidArgument);
  EXPECT_THROW(file.read(-1, tokens), InvalidArgument);
}

TEST(TokenFileTest, RefusesATokenBeyondTheVocabularyWithPlaceAndValue) {
  const ScratchFolder folder;
  write_file(folder / "t.bin", std::string("\x01\x00\x2c\x01", 4));
  EXPECT_NO_THROW(TokenFile(folder / "t.bin", TokenFormat::uint16, 301));
  EXPECT_THAT(
      error_text<DataError>([&] { TokenFile(folder / "t.bin", TokenFormat::uint16, 300); }),
      AllOf(HasSubstr("t.bin"), HasSubstr("token 1 is 300"), HasSubstr("vocabulary of 300")));
}

TEST(TokenFileTest, RefusesAnOddSize) {
  const ScratchFolder folder;
  write_file(folder / "t.bin", "abc");
  EXPECT_THAT(
      error_text<DataError>([&] { TokenFile(folder / "t.bin", TokenFormat::uint16, 65536); }),
      HasSubstr("3 bytes"));
}

TEST(TokenFileTest, RefusesAnEmptyFile) {
  const ScratchFolder folder;
  write_file(folder / "t.txt", "");
  EXPECT_THAT(error_text<DataError>([&] { TokenFile(folder / "t.txt", TokenFormat::bytes, 256); }),
              HasSubstr("empty (0 bytes)"));
}

TEST(TokenFileTest, SaysWhyAFileCannotBeRead) {
  const ScratchFolder folder;
  EXPECT_THAT(error_text<FileError>([&] { TokenFile(folder / "no.txt", TokenFormat::bytes, 256); }),
              AllOf(HasSubstr("no.txt"), HasSubstr("No such file")));
  EXPECT_THAT(error_text<FileError>([&] { TokenFile(folder.path(), TokenFormat::bytes, 256); }),
              HasSubstr("is a folder"));
  EXPECT_THAT(error_text<FileError>([&] { TokenFile("/dev/null", TokenFormat::bytes, 256); }),
              HasSubstr("pipe or device"));
}

}  // namespace
}  // namespace lockflight::train
