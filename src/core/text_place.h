// Where something stands in a text, for people.

#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace lockflight {

/// "line 3, column 7" of the byte at `offset`, at most the text's size.  Both count from 1, columns
/// in characters of UTF-8.
std::string text_place(std::string_view text, std::size_t offset);

}  // namespace lockflight
