// Prompts and samples: bytes where the vocabulary is that of bytes, numbers of tokens otherwise.

#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace lockflight::tools {

/// A text's bytes or, if there are more than 256 different tokens, the numbers in it: "464 3290".
/// Of a text without any a newline, or token 0.
/// Throws InvalidArgument if something is no number, or not below `vocabulary`.
std::vector<std::int32_t> tokens_of(std::string_view text, std::int64_t vocabulary);

/// What one token adds to a text: its byte, or its number and a space.
std::string text_of(std::int32_t token, std::int64_t vocabulary);

/// The text with a question mark for each control character but newline and tab, which could
/// upset a terminal.
std::string printable(std::string text);

}  // namespace lockflight::tools
