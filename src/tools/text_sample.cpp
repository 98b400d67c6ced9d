#include "tools/text_sample.h"

#include <algorithm>
#include <charconv>
#include <sstream>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

constexpr std::int64_t kBytes = 256;

std::vector<std::int32_t> numbers_in(const std::string& text) {
  std::istringstream words(text);
  std::vector<std::int32_t> numbers;
  for (std::string word; words >> word;) {
    const char* const end = word.data() + word.size();
    const auto [after, failure] = std::from_chars(word.data(), end, numbers.emplace_back());
    if (failure != std::errc() || after != end) {
      throw InvalidArgument(
          fmt::format("--prompt has \"{}\"; a model whose tokens are no bytes wants their numbers: "
                      "464 3290",
                      word));
    }
  }
  return numbers;
}

}  // namespace

std::vector<std::int32_t> tokens_of(std::string_view text, std::int64_t vocabulary) {
  std::vector<std::int32_t> tokens;
  if (vocabulary > kBytes) {
    tokens = numbers_in(std::string(text));
    if (tokens.empty()) {
      tokens.push_back(0);
    }
  } else {
    for (const char c : text.empty() ? "\n" : text) {
      tokens.push_back(static_cast<unsigned char>(c));
    }
  }
  for (const std::int32_t token : tokens) {
    if (token < 0 || token >= vocabulary) {
      throw InvalidArgument(
          fmt::format("--prompt has token {}; the model knows 0 to {}", token, vocabulary - 1));
    }
  }
  return tokens;
}

std::string text_of(std::int32_t token, std::int64_t vocabulary) {
  return vocabulary > kBytes ? fmt::format("{} ", token) : std::string(1, static_cast<char>(token));
}

std::string printable(std::string text) {
  std::ranges::replace_if(
      text, [](unsigned char c) { return (c < ' ' && c != '\n' && c != '\t') || c == 0x7f; }, '?');
  return text;
}

}  // namespace lockflight::tools
