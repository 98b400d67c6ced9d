// Where things stand in the text of JSON, which the JSON library does not tell.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockflight::plan {

/// The steps from a document to a value in it: keys, and the numbers of elements as texts.
using JsonPath = std::vector<std::string>;

/// Parts of `text`, which is valid JSON without a NUL; the value begins where the part begins.
std::string_view find_value(std::string_view text, const JsonPath& path);  ///< that there is
/// The first key that its object has already; empty: there is none.
std::string_view find_second_key(std::string_view text);

/// The first number that no double can hold; empty: there is none.  `text` may end in nonsense.
std::string_view find_overflow(std::string_view text);

}  // namespace lockflight::plan
