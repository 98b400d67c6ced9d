#include "plan/json_text.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <set>

#include <nlohmann/json.hpp>

namespace lockflight::plan {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";

// Strings, numbers, words and single signs, one after another.
class Tokens {
 public:
  explicit Tokens(std::string_view text)
      : text_(text), at_(text.starts_with(kByteOrderMark) ? kByteOrderMark.size() : 0) {}

  // Empty behind the last one.
  std::string_view next() {
    const std::size_t begin = std::min(text_.find_first_not_of(" \t\r\n", at_), text_.size());
    at_ = std::min(end_of(begin), text_.size());
    return text_.substr(begin, at_ - begin);
  }

 private:
  std::size_t end_of(std::size_t begin) const {
    constexpr std::string_view kSigns = "{}[]:,";
    if (begin == text_.size()) {
      return begin;
    }
    if (kSigns.find(text_[begin]) != std::string_view::npos) {
      return begin + 1;
    }
    if (text_[begin] != '"') {
      return text_.find_first_of("{}[]:,\" \t\r\n", begin);
    }
    std::size_t end = begin + 1;
    while (end < text_.size() && text_[end] != '"') {
      end += text_[end] == '\\' ? 2 : 1;
    }
    return end + 1;
  }

  std::string_view text_;
  std::size_t at_;
};

std::string unquoted(std::string_view token) {
  return token.find('\\') == std::string_view::npos
             ? std::string(token.substr(1, token.size() - 2))
             : nlohmann::json::parse(token).get<std::string>();
}

int nesting(std::string_view token) {
  return token == "{" || token == "[" ? 1 : token == "}" || token == "]" ? -1 : 0;
}

// The token behind the value that begins with `first`: a comma, if more follows.
void skip_value(Tokens& tokens, std::string_view first) {
  for (int depth = nesting(first); depth > 0;) {
    depth += nesting(tokens.next());
  }
  tokens.next();
}

std::string_view find_member(Tokens& tokens, const std::string& key) {
  for (;;) {
    const std::string_view name = tokens.next();
    tokens.next();  // the colon
    const std::string_view value = tokens.next();
    if (unquoted(name) == key) {
      return value;
    }
    skip_value(tokens, value);
  }
}

std::string_view find_element(Tokens& tokens, const std::string& number) {
  for (auto left = std::stoull(number); left > 0; --left) {
    skip_value(tokens, tokens.next());
  }
  return tokens.next();
}

}  // namespace

std::string_view find_value(std::string_view text, const JsonPath& path) {
  Tokens tokens(text);
  std::string_view value = tokens.next();
  for (const std::string& step : path) {
    value = value == "{" ? find_member(tokens, step) : find_element(tokens, step);
  }
  return value;
}

std::string_view find_second_key(std::string_view text) {
  Tokens tokens(text);
  std::vector<std::set<std::string>> open;
  std::string_view before;
  for (std::string_view token = tokens.next(); !token.empty(); token = tokens.next()) {
    if (token == "{") {
      open.emplace_back();
    } else if (token == "}") {
      open.pop_back();
    } else if (token == ":" && !open.back().insert(unquoted(before)).second) {
      return before;
    }
    before = token;
  }
  return {};
}

std::string_view find_overflow(std::string_view text) {
  Tokens tokens(text);
  for (std::string_view token = tokens.next(); !token.empty(); token = tokens.next()) {
    const bool number = token.front() == '-' || (token.front() >= '0' && token.front() <= '9');
    if (number && std::isinf(std::strtod(std::string(token).c_str(), nullptr))) {
      return token;
    }
  }
  return {};
}

}  // namespace lockflight::plan
