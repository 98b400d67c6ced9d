#include "lockflight/train/token_file.h"

#include <cstddef>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::train {
TokenFormat token_format_of(const std::filesystem::path& path) {
  return path.extension() == ".bin" ? TokenFormat::uint16 : TokenFormat::bytes;
}

TokenFile::TokenFile(const std::filesystem::path& path, TokenFormat format, std::int64_t vocabulary)
    : format_(format), mapping_(path) {
  if (vocabulary < 1) {
    throw InvalidArgument(
        fmt::format("token file: a vocabulary of {}; at least 1 is needed", vocabulary));
  }
  const std::size_t bytes = mapping_.bytes().size();
  if (format == TokenFormat::uint16 && bytes % 2 != 0) {
    throw DataError(
        fmt::format("{}: {} bytes are no whole number of 2-byte tokens; the file is damaged, or a "
                    "text that should not be named .bin",
                    path.string(), bytes));
  }
  size_ = static_cast<std::int64_t>(format == TokenFormat::uint16 ? bytes / 2 : bytes);
  for (std::int64_t position = 0; position < size_; ++position) {
    if (token(position) >= vocabulary) {
      throw DataError(fmt::format(
          "{}: token {} is {}, which a vocabulary of {} does not have (0 to {}); the file is made "
          "for another vocabulary",
          path.string(), position, token(position), vocabulary, vocabulary - 1));
    }
  }
}

std::int32_t TokenFile::token(std::int64_t position) const {
  const auto byte = [&](std::int64_t i) {
    return std::to_integer<std::int32_t>(mapping_.bytes()[static_cast<std::size_t>(i)]);
  };
  return format_ == TokenFormat::bytes ? byte(position)
                                       : byte(2 * position) | byte(2 * position + 1) << 8;
}

void TokenFile::read(std::int64_t first, std::span<std::int32_t> to) const {
  const auto count = static_cast<std::int64_t>(to.size());
  if (first < 0 || first > size_ - count) {
    throw InvalidArgument(fmt::format("token file: tokens {} to {} of {} do not exist", first,
                                      first + count - 1, size_));
  }
  for (std::int64_t i = 0; i < count; ++i) {
    to[static_cast<std::size_t>(i)] = token(first + i);
  }
}

}  // namespace lockflight::train
