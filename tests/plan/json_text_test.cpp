#include "plan/json_text.h"

#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/random.h"

namespace lockflight::plan {
namespace {

using nlohmann::json;

std::size_t offset_of(std::string_view text, const JsonPath& path) {
  return static_cast<std::size_t>(find_value(text, path).data() - text.data());
}

json any_json(Random& random, int depth) {
  const std::vector<std::string> names = {"a", "b\"]", "c\\", "{", "", "\u00e4:", "a,\n", "[0]"};
  switch (random.next_below(depth == 0 ? 4 : 6)) {
    case 0:
      return names[random.next_below(names.size())];
    case 1:
      return -1.5e-7 * random.next_uniform();
    case 2:
      return random.next_below(1000);
    case 3:
      return random.next_below(2) == 0 ? json(nullptr) : json(true);
    case 4: {
      json list = json::array();
      while (random.next_below(4) != 0) {
        list.push_back(any_json(random, depth - 1));
      }
      return list;
    }
    default: {
      json object = json::object();
      while (random.next_below(5) != 0) {
        object[names[random.next_below(names.size())]] = any_json(random, depth - 1);
      }
      return object;
    }
  }
}

// Puts a mark in the place of every value in turn, and looks for that.
void expect_every_place(const json& document, json& value, const JsonPath& path, int indent,
                        int& checked) {
  const std::string text = document.dump(indent);
  const json kept = value;
  value = "here it is";
  EXPECT_EQ(offset_of(text, path), document.dump(indent).find("\"here it is\"")) << text;
  value = kept;
  ++checked;
  if (!value.is_structured()) {
    return;
  }
  int number = 0;
  for (auto it = value.begin(); it != value.end(); ++it, ++number) {
    JsonPath inner = path;
    inner.push_back(value.is_array() ? std::to_string(number) : it.key());
    expect_every_place(document, *it, inner, indent, checked);
  }
}

TEST(JsonTextTest, FindsEveryValueOfAnyDocument) {
  int checked = 0;
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    Random random({.seed = seed});
    json document = any_json(random, 4);
    expect_every_place(document, document, {}, static_cast<int>(seed % 4) - 1, checked);
  }
  EXPECT_GT(checked, 1000);
}

TEST(JsonTextTest, FindsKeysThatAreWrittenInAnotherWay) {
  const std::string_view text = "\xEF\xBB\xBF { \"\\u0061\" :[ 1,\t{\"b\":\r\n 2 }]}";
  EXPECT_EQ(offset_of(text, {"a", "1", "b"}), text.find('2'));
  EXPECT_EQ(offset_of(text, {}), 4U);
}

TEST(JsonTextTest, FindsAKeyThatAnObjectHasTwice) {
  EXPECT_TRUE(find_second_key(R"({"a": {"a": 1, "b": "a"}, "b": [{"a": 1}, {"a": 2}]})").empty());
  const std::string_view text = R"({"x": [{"a": 1, "b": {}, "\u0061": 2}]})";
  EXPECT_EQ(find_second_key(text).data(), text.data() + text.find("\"\\u"));
}

TEST(JsonTextTest, FindsANumberThatIsTooLarge) {
  const std::string_view text = R"(["1e999", 1e308, -2e400, 1e500)";
  EXPECT_EQ(find_overflow(text), "-2e400");
  EXPECT_TRUE(find_overflow("[1, 1e-999, inf").empty());
}

}  // namespace
}  // namespace lockflight::plan
