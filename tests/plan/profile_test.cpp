#include "lockflight/plan/profile.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "lockflight/core/random.h"
#include "lockflight/nn/mlp.h"
#include "plan/json_mutation.h"
#include "plan/json_place.h"

namespace lockflight::plan {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::size_t any_bytes(Random& random) {
  return static_cast<std::size_t>(random.next_below((std::uint64_t{1} << 53) + 1));
}

Profile any_profile(std::uint64_t seed) {
  Random random({.seed = seed});
  Profile profile{.device = "a \"device\" of\n" + std::to_string(seed),
                  .measured = seed % 2 == 0,
                  .rows = static_cast<std::int64_t>(1 + random.next_below(9)),
                  .layers = {}};
  for (std::uint64_t layers = 1 + random.next_below(4); layers > 0; --layers) {
    profile.layers.push_back({.name = "layers." + std::to_string(layers),
                              .parameters = static_cast<std::int64_t>(any_bytes(random)),
                              .output_bytes = any_bytes(random),
                              .output_gradient_bytes = any_bytes(random),
                              .memory = {any_bytes(random), any_bytes(random), any_bytes(random),
                                         any_bytes(random), any_bytes(random), any_bytes(random)},
                              .seconds = {random.next_uniform(), 1e-7 * random.next_uniform(), 0}});
  }
  return profile;
}

std::string refusal(const json& document) {
  try {
    parse_profile(document.dump(2), "p.json");
  } catch (const DataError& error) {
    return error.what();
  }
  return "accepted";
}

// Replaces every value below `at`, one at a time, and removes it.
template <class Check>
void for_each_leaf(json& at, const std::string& path, const Check& check) {
  for (auto it = at.begin(); it != at.end(); ++it) {
    const std::string here = at.is_array()  ? path + "[" + std::to_string(it - at.begin()) + "]"
                             : path.empty() ? it.key()
                                            : path + "." + it.key();
    check(*it, here);
    if (it->is_structured()) {
      for_each_leaf(*it, here, check);
    }
  }
}

TEST(ProfileTest, ComesBackEqualFromJson) {
  for (std::uint64_t seed = 0; seed < 200; ++seed) {
    const Profile profile = any_profile(seed);
    EXPECT_EQ(parse_profile(to_json(profile), "p.json"), profile) << "seed " << seed;
  }
  const std::string path =
      (std::filesystem::path(testing::TempDir()) / "lockflight-profile.json").string();
  save_profile(any_profile(1), path);
  EXPECT_EQ(load_profile(path), any_profile(1));
  std::filesystem::remove(path);
  EXPECT_THROW(load_profile(path), FileError);
  EXPECT_THROW(save_profile(any_profile(1), path + "/no/folder"), FileError);
}

TEST(ProfileTest, NamesPlaceAndKeyOfWhatIsWrong) {
  json document = json::parse(to_json(any_profile(5)));
  int checked = 0;
  for_each_leaf(document, "", [&](json& value, const std::string& path) {
    const json good = value;
    const std::string place = "p.json: " + place_of(document, value);
    value = nullptr;
    EXPECT_THAT(refusal(document), HasSubstr(place + path + " is null"));
    if (good.is_number()) {
      for (const json& bad : {json(-1), json(1e300), json("1")}) {
        value = bad;
        EXPECT_THAT(refusal(document), HasSubstr(place + path + " is " + bad.dump()));
      }
    }
    value = good;
    ++checked;
  });
  EXPECT_GT(checked, 15);
  EXPECT_EQ(refusal(document), "accepted");

  document["layers"][0].erase("parameters");
  EXPECT_EQ(refusal(document), "p.json: " + place_of(document, document["layers"][0]) +
                                   "layers[0].parameters is missing");
  document = json::parse(to_json(any_profile(5)));
  document["layers"][0]["seconds"]["optimizer"] = 1;
  EXPECT_THAT(
      refusal(document),
      HasSubstr("p.json: " + place_of(document, document["layers"][0]["seconds"]["optimizer"]) +
                "layers[0].seconds.optimizer is not known here"));
  document = json::parse(to_json(any_profile(5)));
  document["layers"] = json::array();
  EXPECT_THAT(refusal(document), HasSubstr(": layers is [], expected a list"));
  document = json::parse(to_json(any_profile(5)));
  document["version"] = 7;
  EXPECT_THAT(refusal(document), HasSubstr("version is 7, but this program reads version 1"));
  document["format"] = "something";
  EXPECT_THAT(refusal(document),
              HasSubstr("format is \"something\", expected \"lockflight profile\""));
}

TEST(ProfileTest, AMutationIsRefusedOrReadAsAValue) {
  int refused = 0;
  for (std::uint64_t seed = 0; seed < 2000; ++seed) {
    const std::string text = mutated(to_json(any_profile(seed % 3)), seed);
    try {
      const Profile profile = parse_profile(text, "p.json");
      EXPECT_EQ(parse_profile(to_json(profile), "again"), profile) << "seed " << seed;
    } catch (const DataError& error) {
      ++refused;
      EXPECT_THAT(error.what(), HasSubstr("p.json: ")) << "seed " << seed;
    }
  }
  EXPECT_GT(refused, 1000);
  EXPECT_LT(refused, 2000);
}

TEST(ProfileTest, FitsItsModelAlone) {
  nn::Model model = nn::mlp({.inputs = 3, .hidden = 4, .outputs = 2, .layers = 3});
  Profile profile{.rows = 5};
  for (const LayerProfile& layer : dry_run(model, 5)) {
    profile.layers.push_back(cost_of(layer));
  }
  check_fits(profile, model, 5, "p.json");
  const auto refused = [&](const Profile& other, const nn::Model& with, std::int64_t rows) {
    try {
      check_fits(other, with, rows, "p.json");
    } catch (const DataError& error) {
      return std::string(error.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(refused(profile, model, 4),
              HasSubstr("p.json: rows is 5, but a micro-batch here has 4"));
  EXPECT_THAT(refused(profile, nn::mlp({.inputs = 3, .hidden = 4, .outputs = 2, .layers = 2}), 5),
              HasSubstr("p.json: layers has 3 entries, but the model has 2 layers"));
  EXPECT_THAT(
      refused(profile, nn::mlp({.inputs = 3, .hidden = 4, .outputs = 9, .layers = 3}), 5),
      HasSubstr("p.json: layers[2] is layers.2 with 10 parameters, but in the model it is layers.2 "
                "with 45"));
  profile.layers[1].name = "other";
  EXPECT_THAT(refused(profile, model, 5), HasSubstr("p.json: layers[1] is other"));
}

}  // namespace
}  // namespace lockflight::plan
