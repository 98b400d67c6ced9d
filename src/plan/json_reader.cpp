#include "plan/json_reader.h"

#include <algorithm>
#include <fstream>
#include <sstream>
#include <utility>

#include <fmt/format.h>

#include "core/text_place.h"
#include "lockflight/core/error.h"

namespace lockflight::plan {
namespace {

using ReadJson = nlohmann::json;

// Whole numbers up to here are exact in every reader of JSON, and sums of many of them fit.
constexpr std::uint64_t kLargestInteger = std::uint64_t{1} << 53;

// Of a value that may be long or contain anything.
std::string shown(const ReadJson& json) {
  std::string text = json.dump(-1, ' ', true, ReadJson::error_handler_t::replace);
  constexpr std::size_t kLongest = 40;
  return text.size() <= kLongest ? text : text.substr(0, kLongest) + "…";
}

// "layers[3].seconds.forward"
std::string to_string(const JsonPath& path, const ReadJson& document) {
  std::string text;
  const ReadJson* json = &document;
  for (const std::string& step : path) {
    if (json->is_array()) {
      text += fmt::format("[{}]", step);
      json = &(*json)[std::stoull(step)];
    } else {
      text += (text.empty() ? "" : ".") + step;
      json = json->contains(step) ? &json->at(step) : json;  // only the last one may be missing
    }
  }
  return text;
}

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

JsonDocument::JsonDocument(std::string_view text, std::string where)
    : text_(text), where_(std::move(where)) {
  constexpr std::string_view kNoJson = "this is no JSON; check the file";
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    refuse_at(nul, kNoJson);  // the library would take it for the end
  }
  try {
    json_ = ReadJson::parse(text);
  } catch (const ReadJson::parse_error& error) {
    refuse_at(error.byte == 0 ? 0 : error.byte - 1, kNoJson);
  } catch (const ReadJson::exception& /*error*/) {
    refuse_at(offset_of(find_overflow(text)), "this number is too large for any key");
  }
  if (const std::string_view key = find_second_key(text); !key.empty()) {
    refuse_at(offset_of(key),
              fmt::format("an object has the key {} twice; keep one", shown(ReadJson::parse(key))));
  }
}

void JsonDocument::refuse(const JsonPath& place, std::string_view sentence) const {
  refuse_at(offset_of(find_value(text_, place)), sentence);
}

void JsonDocument::refuse_at(std::size_t offset, std::string_view sentence) const {
  throw DataError(fmt::format("{}: {}: {}", where_, text_place(text_, offset), sentence));
}

std::size_t JsonDocument::offset_of(std::string_view part) const {
  return part.empty() ? 0 : static_cast<std::size_t>(part.data() - text_.data());
}

JsonObject::JsonObject(const JsonDocument& document, const ReadJson& json, JsonPath path)
    : document_(&document), json_(&json), path_(std::move(path)) {
  if (!json.is_object()) {
    const std::string what = path_.empty() ? "the document" : to_string(path_, document.json());
    document.refuse(path_, fmt::format("{} is {}, expected an object", what, shown(json)));
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
  const ReadJson& json = at(key);
  if (!json.is_string()) {
    refuse(key, fmt::format("is {}, expected a text", shown(json)));
  }
  return json.get<std::string>();
}

bool JsonObject::boolean(const std::string& key) const {
  const ReadJson& json = at(key);
  if (!json.is_boolean()) {
    refuse(key, fmt::format("is {}, expected true or false", shown(json)));
  }
  return json.get<bool>();
}

double JsonObject::number_between(const std::string& key, double least, double most) const {
  const ReadJson& json = at(key);
  const double value = json.is_number() ? json.get<double>() : -1;
  if (!(value >= least && value <= most)) {
    refuse(key,
           fmt::format("is {}, expected a number from {:g} to {:g}", shown(json), least, most));
  }
  return value;
}

std::int64_t JsonObject::integer(const std::string& key, std::int64_t least) const {
  const ReadJson& json = at(key);
  const bool fits = json.is_number_unsigned() && json.get<std::uint64_t>() <= kLargestInteger;
  const std::int64_t value = fits ? json.get<std::int64_t>() : -1;
  if (value < least) {
    refuse(key, fmt::format("is {}, expected a whole number from {} to {}", shown(json), least,
                            kLargestInteger));
  }
  return value;
}

std::vector<std::string> JsonObject::texts(const std::string& key) const {
  const ReadJson& json = at(key);
  const auto is_text = [](const ReadJson& element) { return element.is_string(); };
  if (!json.is_array() || !std::ranges::all_of(json, is_text)) {
    refuse(key, fmt::format("is {}, expected a list of texts", shown(json)));
  }
  return json.get<std::vector<std::string>>();
}

JsonObject JsonObject::object(const std::string& key) const {
  return {*document_, at(key), path_of(key)};
}

std::vector<JsonObject> JsonObject::objects(const std::string& key, std::size_t least) const {
  const ReadJson& json = at(key);
  if (!json.is_array() || json.size() < least) {
    refuse(key, fmt::format("is {}, expected a list of at least {} object{}", shown(json), least,
                            least == 1 ? "" : "s"));
  }
  std::vector<JsonObject> objects;
  for (std::size_t i = 0; i < json.size(); ++i) {
    JsonPath path = path_of(key);
    path.push_back(std::to_string(i));
    objects.push_back({*document_, json[i], std::move(path)});
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
  document_->refuse(json_->contains(key) ? path_of(key) : path_,
                    fmt::format("{} {}", to_string(path_of(key), document_->json()), reason));
}

const ReadJson& JsonObject::at(const std::string& key) const {
  const auto found = json_->find(key);
  if (found == json_->end()) {
    refuse(key, "is missing");
  }
  return *found;
}

JsonPath JsonObject::path_of(const std::string& key) const {
  JsonPath path = path_;
  path.push_back(key);
  return path;
}

}  // namespace lockflight::plan
