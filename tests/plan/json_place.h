// Where a value stands in a text, found by looking for a mark in its place.

#pragma once

#include <string>

#include <nlohmann/json.hpp>

namespace lockflight::plan {

/// "line 3, column 7: " in document.dump(2) of one of its values.
template <class Json>
std::string place_of(const Json& document, Json& value) {
  const std::string mark = "\"here it is\"";
  const Json kept = value;
  value = "here it is";
  const std::string text = document.dump(2);
  value = kept;
  int line = 1;
  int column = 1;
  for (std::size_t i = 0; i < text.find(mark); ++i) {
    line += text[i] == '\n' ? 1 : 0;
    column = text[i] == '\n' ? 1 : column + 1;
  }
  return "line " + std::to_string(line) + ", column " + std::to_string(column) + ": ";
}

}  // namespace lockflight::plan
