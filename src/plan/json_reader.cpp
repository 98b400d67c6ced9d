#include "plan/json_reader.h"

#include <algorithm>
#include <fstream>
#include <functional>
#include <set>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

using Json = nlohmann::json;

// Whole numbers up to here are exact in every reader of JSON, and sums of many of them fit.
constexpr std::uint64_t kLargestInteger = std::uint64_t{1} << 53;

// Where the byte with this number, counted from 1, stands.
std::string position(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, std::min(byte, text.size() + 1) - (byte > 0));
  const std::size_t newline = before.rfind('\n');
  const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
  return fmt::format("line {}, column {}", 1 + std::ranges::count(before, '\n'),
                     1 + before.size() - begin);
}

// Of a value that may be long or contain anything.
std::string shown(const Json& json) {
  std::string text = json.dump(-1, ' ', true, Json::error_handler_t::replace);
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "…";
}

// Keeps the keys of the objects that are open, so that one that comes again is noticed.
class KeysOnce {
 public:
  bool operator()(int /*depth*/, Json::parse_event_t event, Json& parsed) {
    if (event == Json::parse_event_t::object_start) {
      open_.emplace_back();
    } else if (event == Json::parse_event_t::object_end) {
      open_.pop_back();
    } else if (event == Json::parse_event_t::key) {
      const auto key = parsed.get<std::string>();
      if (!open_.back().insert(key).second && twice_.empty()) {
        twice_ = shown(parsed);
      }
    }
    return true;
  }
  const std::string& twice() const { return twice_; }

 private:
  std::vector<std::set<std::string>> open_;
  std::string twice_;
};

}  // namespace

std::string read_text_file(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  const bool empty = file.peek() == std::ifstream::traits_type::eof() && file.eof();
  if (!empty && (!file || !(text << file.rdbuf()))) {
    throw FileError(fmt::format("{}: cannot be read; check the path", path));
  }
  return std::move(text).str();
}

void write_text_file(const std::string& path, std::string_view text) {
  std::ofstream file(path, std::ios::binary | std::ios::trunc);
  file << text;
  file.close();
  if (!file) {
    throw FileError(
        fmt::format("{}: cannot be written; check that the folder exists and has room", path));
  }
}

Json parse_json(std::string_view text, const std::string& where) {
  KeysOnce keys;
  Json json;
  try {
    json = Json::parse(text, std::ref(keys));
  } catch (const Json::parse_error& error) {
    throw DataError(
        fmt::format("{}: {} is no JSON; check the file", where, position(text, error.byte)));
  } catch (const Json::exception& /*error*/) {
    throw DataError(fmt::format("{}: has a number that is too large for any key", where));
  }
  if (!keys.twice().empty()) {
    throw DataError(
        fmt::format("{}: an object has the key {} twice; keep one", where, keys.twice()));
  }
  return json;
}

JsonObject::JsonObject(const Json& json, std::string where, std::string path)
    : json_(&json), where_(std::move(where)), path_(std::move(path)) {
  if (!json.is_object()) {
    throw DataError(fmt::format("{}: {} is {}, expected an object", where_,
                                path_.empty() ? "the document" : path_, shown(json)));
  }
}

void JsonObject::expect_format(std::string_view format, int version) const {
  if (const std::string given = text("format"); given != format) {
    refuse("format", fmt::format("is {}, expected \"{}\"", shown(given), format));
  }
  if (const std::int64_t given = integer("version", 0); given != version) {
    refuse("version", fmt::format("is {}, but this program reads version {}", given, version));
  }
}

void JsonObject::expect_keys(const std::vector<std::string_view>& known) const {
  for (const std::string& key : keys()) {
    if (std::ranges::find(known, key) == known.end()) {
      refuse(key, "is not known here; remove it, or check its spelling");
    }
  }
}

std::string JsonObject::text(const std::string& key) const {
  const Json& json = at(key);
  if (!json.is_string()) {
    refuse(key, fmt::format("is {}, expected a text", shown(json)));
  }
  return json.get<std::string>();
}

bool JsonObject::boolean(const std::string& key) const {
  const Json& json = at(key);
  if (!json.is_boolean()) {
    refuse(key, fmt::format("is {}, expected true or false", shown(json)));
  }
  return json.get<bool>();
}

double JsonObject::number_between(const std::string& key, double least, double most) const {
  const Json& json = at(key);
  const double value = json.is_number() ? json.get<double>() : -1;
  if (!(value >= least && value <= most)) {
    refuse(key,
           fmt::format("is {}, expected a number from {:g} to {:g}", shown(json), least, most));
  }
  return value;
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t least) const {
  const Json& json = at(key);
  const bool fits = json.is_number_unsigned() && json.get<std::uint64_t>() <= kLargestInteger;
  const std::int64_t value = fits ? json.get<std::int64_t>() : -1;
  if (value < least) {
    refuse(key, fmt::format("is {}, expected a whole number from {} to {}", shown(json), least,
                            kLargestInteger));
  }
  return value;
}

JsonObject JsonObject::object(const std::string& key) const {
  return {at(key), where_, path_of(key)};
}

std::vector<JsonObject> JsonObject::objects(const std::string& key, std::size_t least) const {
  const Json& json = at(key);
  if (!json.is_array() || json.size() < least) {
    refuse(key, fmt::format("is {}, expected a list of at least {} object{}", shown(json), least,
                            least == 1 ? "" : "s"));
  }
  std::vector<JsonObject> objects;
  for (std::size_t i = 0; i < json.size(); ++i) {
    objects.emplace_back(json[i], where_, fmt::format("{}[{}]", path_of(key), i));
  }
  return objects;
}

std::vector<std::string> JsonObject::keys() const {
  std::vector<std::string> keys;
  for (const auto& item : json_->items()) {
    keys.push_back(item.key());
  }
  return keys;
}

void JsonObject::refuse(const std::string& key, const std::string& reason) const {
  throw DataError(fmt::format("{}: {} {}", where_, path_of(key), reason));
}

const Json& JsonObject::at(const std::string& key) const {
  const auto found = json_->find(key);
  if (found == json_->end()) {
    refuse(key, "is missing");
  }
  return *found;
}

std::string JsonObject::path_of(const std::string& key) const {
  return path_.empty() ? key : path_ + "." + key;
}

}  // namespace lockflight::plan
