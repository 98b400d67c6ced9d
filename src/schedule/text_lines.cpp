#include "schedule/text_lines.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <system_error>

#include <fmt/format.h>

#include "core/text_place.h"
#include "lockflight/core/error.h"

namespace lockflight::schedule {

std::string_view TextWords::next() {
  const std::size_t begin = next_;
  const std::size_t end = std::min(text_.find(' ', begin), end_);
  next_ = end + 1;
  return text_.substr(begin, end - begin);
}

void TextLines::refuse(std::size_t offset, std::string_view why) const {
  throw DataError(fmt::format("schedule file, {}: {}", text_place(text_, offset), why));
}

bool TextLines::next_starts_with(std::string_view key) const {
  return text_.substr(next_line_).starts_with(key);
}

std::string_view TextLines::next(std::string_view key) {
  if (!next_starts_with(key)) {
    refuse(next_line_, fmt::format("expected a line that begins with \"{}\"", key));
  }
  begin_ = next_line_ + key.size();
  end_ = text_.find('\n', begin_);
  if (end_ == std::string_view::npos) {
    refuse(text_.size(), "the line has no end; every line, the last one too, ends in a line feed");
  }
  if (text_[end_ - 1] == '\r') {
    refuse(end_ - 1, "the line ends in a carriage return, expected a line feed alone");
  }
  next_line_ = end_ + 1;
  return value();
}

void TextLines::expect_end(std::string_view why) const {
  if (next_line_ < text_.size()) {
    refuse(next_line_, why);
  }
}

std::vector<int> TextLines::numbers(int least) const {
  std::vector<int> numbers;
  for (TextWords words = this->words(); !words.done();) {
    const std::size_t offset = words.offset();
    numbers.push_back(parse_number(offset, words.next(), least));
  }
  return numbers;
}

int TextLines::only_number(int least) const {
  TextWords words = this->words();
  const int number = parse_number(begin_, words.next(), least);
  if (!words.done()) {
    refuse(words.offset(), "expected the end of the line");
  }
  return number;
}

int TextLines::parse_number(std::size_t offset, std::string_view word, int least) const {
  int number = 0;
  const char* const end = word.data() + word.size();
  const auto [after, failure] = std::from_chars(word.data(), end, number);
  if (failure != std::errc() || after != end || number < least || word.front() == '-' ||
      (word.size() > 1 && word.front() == '0')) {
    refuse(offset, fmt::format("expected a whole number from {} to {}, with one space in front "
                               "and no leading zero",
                               least, std::numeric_limits<int>::max()));
  }
  return number;
}

}  // namespace lockflight::schedule
