// Reads JSON that came from outside: whatever is not as it should be is told in one sentence.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include "plan/json_text.h"

namespace lockflight::plan {

/// The whole content of a file.  Throws FileError.
std::string read_text_file(const std::string& path);

/// Writes a whole file.  Throws FileError.
void write_text_file(const std::string& path, std::string_view text);

/// A text that is one JSON value in which no object has a key twice.
class JsonDocument {
 public:
  /// `text` must outlive the document; `where` (a file) is what refusals begin with.  Throws
  /// DataError, with line and column, if the text is no such value.
  JsonDocument(std::string_view text, std::string where);

  const nlohmann::json& json() const { return json_; }

  /// Throws DataError, "where: line 3, column 7: sentence", with the place of a value.
  [[noreturn]] void refuse(const JsonPath& place, std::string_view sentence) const;

 private:
  [[noreturn]] void refuse_at(std::size_t offset, std::string_view sentence) const;
  std::size_t offset_of(std::string_view part) const;

  std::string_view text_;
  std::string where_;
  nlohmann::json json_;
};

/// One object of a document, which must outlive it.  Every function throws DataError, naming the
/// file, line and column and the path of the key ("layers[3].seconds.forward"), if what it says
/// does not hold.
class JsonObject {
 public:
  /// The document is an object.
  explicit JsonObject(const JsonDocument& document) : JsonObject(document, document.json(), {}) {}

  /// The object is a document of this format and version.
  void expect_format(std::string_view format, int version) const;
  /// There are no other keys than these.
  void expect_keys(const std::vector<std::string_view>& known) const;

  bool has(const std::string& key) const { return json_->contains(key); }
  std::string text(const std::string& key) const;
  bool boolean(const std::string& key) const;
  /// 0 … 1e30: sums of many are finite.
  double number(const std::string& key) const { return number_between(key, 0, kLargest); }
  /// 1e-9 … 1e30: quotients are finite too.
  double positive_number(const std::string& key) const {
    return number_between(key, 1e-9, kLargest);
  }
  /// A whole number, least … 2^53.
  std::int64_t integer(const std::string& key, std::int64_t least) const;
  std::size_t bytes(const std::string& key) const {
    return static_cast<std::size_t>(integer(key, 0));
  }
  /// An array of texts.
  std::vector<std::string> texts(const std::string& key) const;
  JsonObject object(const std::string& key) const;
  /// An array of at least so many objects.
  std::vector<JsonObject> objects(const std::string& key, std::size_t least = 1) const;
  std::vector<std::string> keys() const;

  /// Throws "where: line 3, column 7: path.key reason", with the place of the key's value, or of
  /// the object if it has no such key.
  [[noreturn]] void refuse(const std::string& key, const std::string& reason) const;

 private:
  static constexpr double kLargest = 1e30;

  JsonObject(const JsonDocument& document, const nlohmann::json& json, JsonPath path);

  double number_between(const std::string& key, double least, double most) const;
  const nlohmann::json& at(const std::string& key) const;
  JsonPath path_of(const std::string& key) const;

  const JsonDocument* document_;
  const nlohmann::json* json_;
  JsonPath path_;
};

}  // namespace lockflight::plan
