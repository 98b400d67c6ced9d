// A file of tokens: a text, whose bytes are the tokens, or numbers as GPT-2 tools write them.

#pragma once

#include <cstdint>
#include <filesystem>
#include <span>

#include "lockflight/train/mapped_file.h"

namespace lockflight::train {

enum class TokenFormat : std::uint8_t {
  bytes,   ///< one token a byte
  uint16,  ///< one token in two bytes, the lower one first; no header
};

/// uint16 for names that end in ".bin", bytes for all others.
TokenFormat token_format_of(const std::filesystem::path& path);

/// Moves; threads may read at once.
class TokenFile {
 public:
  /// Maps the file and looks at every token once.  Throws FileError and DataError as MappedFile
  /// does, and DataError if the size is odd as uint16 or a token is not below `vocabulary`.
  TokenFile(const std::filesystem::path& path, TokenFormat format, std::int64_t vocabulary);

  /// How many tokens there are.
  std::int64_t size() const { return size_; }

  /// Writes tokens first … first + to.size() - 1.  Throws InvalidArgument if they do not exist.
  void read(std::int64_t first, std::span<std::int32_t> to) const;

 private:
  std::int32_t token(std::int64_t position) const;

  TokenFormat format_;
  MappedFile mapping_;
  std::int64_t size_ = 0;
};

}  // namespace lockflight::train
