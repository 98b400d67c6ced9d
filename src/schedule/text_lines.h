// The lines of a text form, of which each has to begin with a certain key, and their words.

#pragma once

#include <cstddef>
#include <string_view>
#include <vector>

namespace lockflight::schedule {

/// The words of one line from left to right, with one space between them.
class TextWords {
 public:
  /// Of what stands in the text from the one offset up to the other.
  TextWords(std::string_view text, std::size_t begin, std::size_t end)
      : text_(text), next_(begin), end_(end) {}

  bool done() const { return next_ > end_; }
  /// Of the word that next() gives, in the text.
  std::size_t offset() const { return next_; }
  /// Empty where two spaces follow each other or one ends the line.
  std::string_view next();

 private:
  std::string_view text_;
  std::size_t next_;
  std::size_t end_;
};

/// All functions throw DataError that names line and column.
class TextLines {
 public:
  explicit TextLines(std::string_view text) : text_(text) {}

  /// "schedule file, line 2, column 7: …"
  [[noreturn]] void refuse(std::size_t offset, std::string_view why) const;

  bool next_starts_with(std::string_view key) const;
  /// Goes to the next line, which has to begin so; returns the rest of it.
  std::string_view next(std::string_view key);
  /// Refuses a line that follows, because of `why`.
  void expect_end(std::string_view why) const;

  // Of the line at hand, behind its key.
  std::string_view value() const { return text_.substr(begin_, end_ - begin_); }
  std::size_t begin() const { return begin_; }
  std::size_t end() const { return end_; }
  TextWords words() const { return {text_, begin_, end_}; }
  /// Decimal, without leading zeros, from `least` to the largest int.
  std::vector<int> numbers(int least) const;
  int only_number(int least) const;

 private:
  int parse_number(std::size_t offset, std::string_view word, int least) const;

  std::string_view text_;
  std::size_t next_line_ = 0;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
};

}  // namespace lockflight::schedule
