// Reads JSON that came from outside: whatever is not as it should be is told in one sentence.

#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace lockflight::plan {

/// The whole content of a file.  Throws FileError.
std::string read_text_file(const std::string& path);

/// Writes a whole file.  Throws FileError.
void write_text_file(const std::string& path, std::string_view text);

/// Throws DataError, naming `where` (a file) with line and column, unless `text` is one JSON value
/// in which no object has a key twice.
nlohmann::json parse_json(std::string_view text, const std::string& where);

/// One object of a document, which must outlive it.  Every function throws DataError, naming the
/// file and the path of the key ("layers[3].seconds.forward"), if what it says does not hold.
class JsonObject {
 public:
  /// `json` is an object.  `path` is empty for that of the document.
  JsonObject(const nlohmann::json& json, std::string where, std::string path = "");

  /// The object is a document of this format and version.
  void expect_format(std::string_view format, int version) const;
  /// There are no other keys than these.
  void expect_keys(const std::vector<std::string_view>& known) const;

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
  JsonObject object(const std::string& key) const;
  /// An array of at least so many objects.
  std::vector<JsonObject> objects(const std::string& key, std::size_t least = 1) const;
  std::vector<std::string> keys() const;

  /// Throws "where: path.key reason".
  [[noreturn]] void refuse(const std::string& key, const std::string& reason) const;

 private:
  static constexpr double kLargest = 1e30;

  double number_between(const std::string& key, double least, double most) const;
  const nlohmann::json& at(const std::string& key) const;
  std::string path_of(const std::string& key) const;

  const nlohmann::json* json_;
  std::string where_;
  std::string path_;
};

}  // namespace lockflight::plan
