#include "lockflight/train/safetensors.h"

#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/train/safetensors_writer.h"
#include "train/error_text.h"
#include "train/scratch_folder.h"

namespace lockflight::train {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

std::string le64(std::uint64_t value) {
  std::string bytes;
  for (int i = 0; i < 8; ++i) {
    bytes += static_cast<char>(value >> (8 * i) & 0xff);
  }
  return bytes;
}

std::string file_of(const std::string& header, const std::string& data) {
  return le64(header.size()) + header + data;
}

std::span<const std::byte> bytes_of(const std::string& text) {
  return std::as_bytes(std::span(text));
}

SafetensorsHeader parse(const std::string& file) { return parse_safetensors(bytes_of(file), "f"); }

std::string refusal(const std::string& file) {
  return error_text<DataError>([&] { parse(file); });
}

// 1.0f and -2.0f, then the i32 7.
const std::string kData("\x00\x00\x80\x3f\x00\x00\x00\xc0\x07\x00\x00\x00", 12);
const std::string kHeader =
    R"({"n":{"dtype":"I32","shape":[],"data_offsets":[8,12]},)"
    R"("a.w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},"__metadata__":{"by":"hand"}}  )";

TEST(SafetensorsTest, ReadsAFileWrittenByHand) {
  const ScratchFolder folder;
  write_file(folder / "f", file_of(kHeader, kData));
  const SafetensorsFile file(folder / "f");
  ASSERT_EQ(file.entries().size(), 2U);
  EXPECT_EQ(file.entries()[0].name, "a.w");
  EXPECT_EQ(file.entries()[0].spec, (TensorSpec{{1, 2}, DType::f32}));
  EXPECT_EQ(file.find("n")->spec, (TensorSpec{{}, DType::i32}));
  EXPECT_EQ(file.find("a"), nullptr);
  EXPECT_THAT(file.metadata(), ElementsAre(std::pair("by", "hand")));
  const HostTensor weight = file.read(*file.find("a.w"));
  EXPECT_THAT(weight.as<float>(), ElementsAre(1.0F, -2.0F));
  const HostTensor number = file.read(*file.find("n"));
  EXPECT_THAT(number.as<std::int32_t>(), ElementsAre(7));
}

TEST(SafetensorsTest, WritesTheLayoutOfTheFormat) {
  const ScratchFolder folder;
  SafetensorsWriter writer(folder / "f", {{"a.w", {{1, 2}, DType::f32}}, {"n", {{}, DType::i32}}},
                           {{"by", "hand"}});
  writer.write(bytes_of(kData.substr(0, 8)));
  writer.write(bytes_of(kData.substr(8)));
  const FileDigest digest = writer.finish();

  const std::string header =
      R"({"__metadata__":{"by":"hand"},"a.w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]},)"
      R"("n":{"dtype":"I32","shape":[],"data_offsets":[8,12]}})";
  const std::string padding((8 - header.size() % 8) % 8, ' ');
  EXPECT_EQ(read_file(folder / "f"), file_of(header + padding, kData));
  EXPECT_EQ(digest, digest_of(bytes_of(read_file(folder / "f"))));
}

TEST(SafetensorsTest, GivesBackWhatWasWrittenForEveryTypeAndSize) {
  const ScratchFolder folder;
  std::vector<NamedSpec> tensors;
  for (const DType dtype : {DType::f32, DType::bf16, DType::f64, DType::i32}) {
    for (const Shape& shape : {Shape{}, Shape{0}, Shape{3}, Shape{2, 3}, Shape{2, 1, 3, 5}}) {
      tensors.push_back({std::string(name_of(dtype)) + to_string(shape), {shape, dtype}});
    }
  }
  std::vector<HostTensor> values;
  SafetensorsWriter writer(folder / "f", tensors);
  Random random({.seed = 1});
  for (const NamedSpec& tensor : tensors) {
    HostTensor& value = values.emplace_back(tensor.spec);
    for (std::size_t i = 0; i < tensor.spec.bytes(); ++i) {
      value.data()[i] = static_cast<std::byte>(random.next_u32());
    }
    writer.write(value.as<std::byte>());
  }
  writer.finish();

  const SafetensorsFile file(folder / "f");
  ASSERT_EQ(file.entries().size(), tensors.size());
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const SafetensorsEntry* entry = file.find(tensors[i].name);
    ASSERT_NE(entry, nullptr) << tensors[i].name;
    EXPECT_EQ(entry->spec, tensors[i].spec);
    EXPECT_TRUE(std::ranges::equal(file.read(*entry).as<std::byte>(), values[i].as<std::byte>()));
  }
}

TEST(SafetensorsTest, WriterRefusesWhatWasNotAnnounced) {
  const ScratchFolder folder;
  const NamedSpec one{"x", {{1}, DType::f32}};
  EXPECT_THROW(SafetensorsWriter(folder / "f", {one, one}), InvalidArgument);
  EXPECT_THROW(SafetensorsWriter(folder / "f", {{"__metadata__", one.spec}}), InvalidArgument);
  EXPECT_THROW(SafetensorsWriter(folder / "f", {{"\xff", one.spec}}), InvalidArgument);
  SafetensorsWriter writer(folder / "f", {one});
  EXPECT_THROW(writer.finish(), InvalidArgument);
  EXPECT_THROW(writer.write(bytes_of("abc")), InvalidArgument);
  writer.write(bytes_of("abcd"));
  EXPECT_THROW(writer.write(bytes_of("abcd")), InvalidArgument);
}

TEST(SafetensorsTest, WriterSaysThatTheDiskIsFull) {
  const auto fill = [] {
    const std::vector<std::byte> zeros(4 << 20);
    SafetensorsWriter writer("/dev/full", {{"x", {{1 << 20}, DType::f32}}});
    writer.write(zeros);
    writer.finish();
  };
  EXPECT_THAT(error_text<FileError>(fill), AllOf(HasSubstr("/dev/full"), HasSubstr("No space")));
}

TEST(SafetensorsTest, RefusesEachBrokenRuleWithItsReason) {
  const auto one = [](const std::string& entry) { return file_of("{\"x\":" + entry + "}", kData); };
  EXPECT_THAT(refusal("1234567"), HasSubstr("7 bytes"));
  EXPECT_THAT(refusal(le64(3) + "{}"), HasSubstr("a header of 3 bytes in a file of 10"));
  EXPECT_THAT(refusal(le64(std::numeric_limits<std::uint64_t>::max()) + "{}"),
              HasSubstr("a header of 18446744073709551615 bytes"));
  EXPECT_THAT(refusal(file_of("{", "")), HasSubstr("no JSON"));
  EXPECT_THAT(refusal(file_of("[]", "")), HasSubstr("no object"));
  EXPECT_THAT(refusal(one("3")), HasSubstr("'x' has no dtype"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F16","shape":[6],"data_offsets":[0,12]})")),
              HasSubstr("type F16"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","data_offsets":[0,12]})")), HasSubstr("no shape"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[-3],"data_offsets":[0,12]})")),
              HasSubstr("shape [-3]"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[3,1,1,1,1],"data_offsets":[0,12]})")),
              HasSubstr("at most 4 extents"));
  EXPECT_THAT(
      refusal(one(R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,12]})")),
      HasSubstr("shape [4294967296,4294967296]"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[3],"data_offsets":[0]})")),
              HasSubstr("data_offsets [0]"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[3],"data_offsets":[4,16]})")),
              HasSubstr("bytes 4 to 16 of 12"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,12]})")),
              HasSubstr("12 bytes, but f32 [2] takes 8"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[2],"data_offsets":[0,8]})")),
              HasSubstr("end at byte 8 of 12"));
  EXPECT_THAT(refusal(one(R"({"dtype":"F32","shape":[2],"data_offsets":[4,12]})")),
              HasSubstr("starts at byte 4 and the tensors before it end at 0"));
  const std::string a = R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)";
  EXPECT_THAT(
      refusal(file_of(a + R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})", kData)),
      HasSubstr("'b' starts at byte 4 and the tensors before it end at 8"));
  EXPECT_THAT(
      refusal(file_of(a + R"("a":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}})", kData)),
      HasSubstr("'a' twice"));
  EXPECT_THAT(refusal(file_of(R"({"__metadata__":{"a":1}})", "")), HasSubstr("'a' is no text"));
}

// What a mutation may do to a file that stays valid: change names, types of equal size, the order
// of extents, texts.  Whatever is accepted keeps every tensor inside the data and all of it used.
TEST(SafetensorsTest, MutationsAndTruncationsAreRefusedOrLeaveAFileThatIsWhole) {
  const std::string good = file_of(kHeader, kData);
  int refused = 0;
  constexpr int kMutations = 5000;
  for (int i = 0; i < kMutations; ++i) {
    Random random({.seed = 7, .step = static_cast<std::uint32_t>(i)});
    std::string file = good;
    if (i % 5 == 0) {
      file.resize(random.next_below(good.size()));
    } else if (i % 5 == 1) {
      file.insert(random.next_below(good.size()), 1, static_cast<char>(random.next_u32()));
    } else {
      for (std::uint64_t k = random.next_below(3) + 1; k > 0; --k) {
        file[random.next_below(8 + kHeader.size())] = static_cast<char>(random.next_u32());
      }
    }
    try {
      const SafetensorsHeader header = parse(file);
      std::uint64_t bytes = header.data_begin;
      for (const SafetensorsEntry& entry : header.entries) {
        EXPECT_EQ(header.data_begin + entry.begin, bytes) << "mutation " << i;
        bytes += entry.spec.bytes();
      }
      EXPECT_EQ(bytes, file.size()) << "mutation " << i;
    } catch (const DataError&) {
      ++refused;
    }
  }
  EXPECT_GT(refused, kMutations * 3 / 4);
}

}  // namespace
}  // namespace lockflight::train
