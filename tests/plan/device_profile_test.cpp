#include "lockflight/plan/device_profile.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "plan/json_mutation.h"
#include "plan/json_place.h"

namespace lockflight::plan {
namespace {

using nlohmann::json;
using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;

constexpr const char* kGood = R"({
  "format": "lockflight device profile", "version": 1, "name": "mine",
  "source": "a data sheet", "assumptions": "none",
  "memory_bytes": 1000, "matrix_flops_per_second": 100, "vector_flops_per_second": 10,
  "bytes_per_second": 20, "launch_seconds": 0.5, "host_seconds_per_action": 0.25,
  "link_latency_seconds": 0, "link_bytes_per_second": 8,
  "operations": {
    "matmul": {"matrix": true, "flops_share": 0.5, "bytes_share": 1},
    "other": {"matrix": false, "flops_share": 1, "bytes_share": 2}
  }
})";

std::string refusal_of_device_profile(const std::string& text) {
  try {
    parse_device_profile(text, "mine.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

TEST(DeviceProfileTest, ReadsEveryKey) {
  const DeviceProfile profile = parse_device_profile(kGood, "mine.json");
  EXPECT_EQ(profile.name, "mine");
  EXPECT_EQ(profile.source, "a data sheet");
  EXPECT_EQ(profile.assumptions, "none");
  EXPECT_EQ(profile.memory_bytes, 1000U);
  EXPECT_EQ(profile.matrix_flops_per_second, 100);
  EXPECT_EQ(profile.bf16_matrix_flops_per_second, 0);
  EXPECT_EQ(profile.vector_flops_per_second, 10);
  EXPECT_EQ(profile.bytes_per_second, 20);
  EXPECT_EQ(profile.launch_seconds, 0.5);
  EXPECT_EQ(profile.host_seconds_per_action, 0.25);
  EXPECT_EQ(profile.link_latency_seconds, 0);
  EXPECT_EQ(profile.link_bytes_per_second, 8);
  EXPECT_EQ(profile.rates_of("matmul"), (OperationRates{true, 0.5, 1}));
  EXPECT_EQ(profile.rates_of("gelu"), (OperationRates{false, 1, 2}));
}

TEST(DeviceProfileTest, MayTellTheRateOfProductsInBf16) {
  json document = json::parse(kGood);
  document["bf16_matrix_flops_per_second"] = 200;
  EXPECT_EQ(parse_device_profile(document.dump(), "").bf16_matrix_flops_per_second, 200);
  document["bf16_matrix_flops_per_second"] = 0;
  EXPECT_THAT(refusal_of_device_profile(document.dump()),
              HasSubstr("bf16_matrix_flops_per_second is 0"));
  EXPECT_EQ(device_profile("h100").bf16_matrix_flops_per_second, 989.5e12);
  EXPECT_EQ(device_profile("a100").bf16_matrix_flops_per_second, 312e12);
}

TEST(DeviceProfileTest, MayTellTheKindOfDevice) {
  json document = json::parse(kGood);
  EXPECT_EQ(parse_device_profile(document.dump(), "").kind, DeviceKind::cpu);
  document["kind"] = "cuda";
  EXPECT_EQ(parse_device_profile(document.dump(), "").kind, DeviceKind::cuda);
  document["kind"] = "meta";
  EXPECT_THAT(refusal_of_device_profile(document.dump()),
              HasSubstr("kind is \"meta\"; it must be cpu or cuda"));
  EXPECT_EQ(device_profile("h100").kind, DeviceKind::cuda);
  EXPECT_EQ(device_profile("cpu-2core").kind, DeviceKind::cpu);
}

TEST(DeviceProfileTest, AnOperationMayHaveRatesOfItsOwnInBf16) {
  json document = json::parse(kGood);
  document["operations"]["matmul bf16"] = {
      {"matrix", true}, {"flops_share", 0.25}, {"bytes_share", 3}};
  DeviceProfile profile = parse_device_profile(document.dump(), "");
  const OperationRates matmul{true, 0.5, 1};
  const OperationRates matmul_bf16{true, 0.25, 3};
  const OperationRates other{false, 1, 2};
  EXPECT_EQ(profile.rates_of("matmul", DType::f32), matmul);
  EXPECT_EQ(profile.rates_of("matmul", DType::bf16), matmul_bf16);
  EXPECT_EQ(profile.rates_of("gelu", DType::bf16), other);
  EXPECT_EQ(parse_device_profile(kGood, "").rates_of("matmul", DType::bf16), matmul);

  EXPECT_EQ(profile.flops_per_second(matmul_bf16, DType::bf16), 100);
  profile.bf16_matrix_flops_per_second = 200;
  EXPECT_EQ(profile.flops_per_second(matmul_bf16, DType::bf16), 200);
  EXPECT_EQ(profile.flops_per_second(matmul, DType::f32), 100);
  EXPECT_EQ(profile.flops_per_second(other, DType::bf16), 10);
}

TEST(DeviceProfileTest, ThoseOfTheLibraryAreSoundAndTellTheirSource) {
  EXPECT_THAT(device_profile_names(), ElementsAre("a100-80gb", "cpu-2core", "h100-sxm"));
  for (const std::string& name : device_profile_names()) {
    const DeviceProfile profile = device_profile(name);
    EXPECT_EQ(profile.name, name);
    EXPECT_GT(profile.source.size(), 50U);
    EXPECT_GT(profile.assumptions.size(), 50U);
    EXPECT_GE(profile.matrix_flops_per_second, profile.vector_flops_per_second);
    EXPECT_TRUE(profile.rates_of("matmul").matrix);
    EXPECT_TRUE(profile.rates_of("attention_backward").matrix);
    EXPECT_FALSE(profile.rates_of("an operation of somebody's own").matrix);
  }
  EXPECT_EQ(device_profile("h100"), device_profile("h100-sxm"));
  EXPECT_EQ(device_profile("a100"), device_profile("a100-80gb"));
}

TEST(DeviceProfileTest, ReadsFilesAndListsWhatItKnows) {
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "lockflight-device-profile.json").string();
  std::ofstream(path) << kGood;
  EXPECT_EQ(device_profile(path), parse_device_profile(kGood, path));
  std::filesystem::remove(path);
  EXPECT_THROW(device_profile(path), FileError);
  try {
    device_profile("h200");
    FAIL() << "nothing was thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_THAT(error.what(),
                AllOf(HasSubstr("'h200'"), HasSubstr("a100-80gb, cpu-2core, h100-sxm")));
  }
}

TEST(DeviceProfileTest, NamesFilePlaceAndKeyOfWhatIsWrong) {
  const json good = json::parse(kGood);
  for (const auto& item : good.items()) {
    json bad = good;
    bad.erase(item.key());
    EXPECT_EQ(refusal_of_device_profile(bad.dump(2)),
              "mine.json: line 1, column 1: " + item.key() + " is missing");
    bad = good;
    const std::string value = "mine.json: " + place_of(bad, bad[item.key()]) + item.key();
    bad[item.key()] = nullptr;
    EXPECT_THAT(refusal_of_device_profile(bad.dump(2)), HasSubstr(value + " is null"));
    if (item.value().is_number()) {
      bad[item.key()] = -1;
      EXPECT_THAT(refusal_of_device_profile(bad.dump(2)), HasSubstr(value + " is -1"));
      bad[item.key()] = 1e40;
      EXPECT_THAT(refusal_of_device_profile(bad.dump(2)), HasSubstr(value + " is 1e+40"));
    }
  }
  json bad = good;
  bad["colour"] = "green";
  EXPECT_THAT(refusal_of_device_profile(bad.dump(2)),
              HasSubstr("mine.json: " + place_of(bad, bad["colour"]) + "colour is not known here"));
  bad = good;
  bad["operations"]["matmul"]["flops_share"] = 0;
  EXPECT_EQ(refusal_of_device_profile(bad.dump(2)),
            "mine.json: " + place_of(bad, bad["operations"]["matmul"]["flops_share"]) +
                "operations.matmul.flops_share is 0, expected a number from 1e-09 to 1e+30");
  bad = good;
  bad["operations"].erase("other");
  EXPECT_THAT(
      refusal_of_device_profile(bad.dump(2)),
      HasSubstr("mine.json: " + place_of(bad, bad["operations"]) + "operations.other is missing"));
  bad = good;
  bad["version"] = 2;
  EXPECT_THAT(refusal_of_device_profile(bad.dump()),
              HasSubstr("version is 2, but this program reads version 1"));
  EXPECT_EQ(refusal_of_device_profile("[]"),
            "mine.json: line 1, column 1: the document is [], expected an object");
}

TEST(DeviceProfileTest, NamesLineAndColumnOfWhatIsNoJson) {
  EXPECT_EQ(refusal_of_device_profile(""),
            "mine.json: line 1, column 1: this is no JSON; check the file");
  EXPECT_EQ(refusal_of_device_profile("{\"a\": 1,\n  \"b\": ?}"),
            "mine.json: line 2, column 8: this is no JSON; check the file");
  EXPECT_EQ(refusal_of_device_profile("{}\n}"),
            "mine.json: line 2, column 1: this is no JSON; check the file");
  EXPECT_EQ(refusal_of_device_profile("{\"a\": 1,"),
            "mine.json: line 1, column 9: this is no JSON; check the file");
  EXPECT_EQ(refusal_of_device_profile("{\"a\": 1, \"b\": {\"a\": 1}, \"a\": 2}"),
            "mine.json: line 1, column 25: an object has the key \"a\" twice; keep one");
  EXPECT_EQ(refusal_of_device_profile("{\"a\":\n1e999}"),
            "mine.json: line 2, column 1: this number is too large for any key");
  EXPECT_EQ(refusal_of_device_profile(std::string("{}\0{}", 5)),
            "mine.json: line 1, column 3: this is no JSON; check the file");
  EXPECT_THAT(refusal_of_device_profile(std::string(100'000, '[')),
              HasSubstr("line 1, column 100001"));
}

TEST(DeviceProfileTest, NoMutationCrashes) {
  const DeviceProfile good = parse_device_profile(kGood, "mine.json");
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 1000; ++seed) {
    try {
      const DeviceProfile profile = parse_device_profile(mutated(kGood, seed), "mine.json");
      EXPECT_TRUE(profile.operations.contains("other")) << "seed " << seed;
    } catch (const DataError& error) {
      ++refused;
      EXPECT_THAT(error.what(), HasSubstr("mine.json: ")) << "seed " << seed;
    }
  }
  EXPECT_GT(refused, 500);
}

}  // namespace
}  // namespace lockflight::plan
