#include "train/file.h"

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>
#include <utility>

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

namespace lockflight::train {

FileError file_error(const std::filesystem::path& path, std::string_view what) {
  const int reason = errno;
  return FileError(fmt::format("{}: cannot {}: {}", path.string(), what,
                               std::generic_category().message(reason)));
}

OutputFile::OutputFile(std::filesystem::path path, Open mode) : path_(std::move(path)) {
  const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | (mode == Open::append ? O_APPEND : O_TRUNC);
  descriptor_ = ::open(path_.c_str(), flags, 0666);
  if (descriptor_ < 0) {
    throw file_error(path_, "write");
  }
}

OutputFile::~OutputFile() {
  if (descriptor_ >= 0) {
    ::close(descriptor_);
  }
}

OutputFile::OutputFile(OutputFile&& other) noexcept
    : path_(std::move(other.path_)), descriptor_(std::exchange(other.descriptor_, -1)) {}

void OutputFile::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor_, bytes.data(), bytes.size());
    if (written >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(written));
    } else if (errno != EINTR) {
      throw file_error(path_, "write");
    }
  }
}

void OutputFile::sync() {
  // Pipes and terminals have nothing to sync and say EINVAL.
  if (::fsync(descriptor_) != 0 && errno != EINVAL) {
    throw file_error(path_, "write to the disk");
  }
}

void OutputFile::close() {
  if (::close(std::exchange(descriptor_, -1)) != 0) {
    throw file_error(path_, "write");
  }
}

void sync_folder(const std::filesystem::path& folder) {
  const int descriptor = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (descriptor < 0) {
    throw file_error(folder, "open the folder");
  }
  const int result = ::fsync(descriptor);
  const int reason = errno;
  ::close(descriptor);
  if (result != 0 && reason != EINVAL) {
    errno = reason;
    throw file_error(folder, "write the folder to the disk");
  }
}

std::string read_text(const std::filesystem::path& path, std::size_t limit) {
  errno = 0;
  std::ifstream in(path, std::ios::binary);
  if (!in) {
    throw file_error(path, "read");
  }
  constexpr std::size_t kPiece = std::size_t{1} << 16;
  std::string text;
  while (in && text.size() <= limit) {
    const std::size_t before = text.size();
    text.resize(before + std::min(kPiece, limit + 1 - before));
    in.read(text.data() + before, static_cast<std::streamsize>(text.size() - before));
    text.resize(before + static_cast<std::size_t>(in.gcount()));
  }
  if (in.bad()) {
    throw file_error(path, "read");
  }
  if (text.size() > limit) {
    throw FileError(
        fmt::format("{}: more than {} bytes, which such a file never has", path.string(), limit));
  }
  return text;
}

void replace_file(const std::filesystem::path& path, std::string_view text) {
  const auto write = [text](const std::filesystem::path& to) {
    OutputFile file(to);
    file.write(text);
    file.sync();
    file.close();
  };
  std::error_code ignored;
  const auto kind = std::filesystem::status(path, ignored).type();
  if (kind != std::filesystem::file_type::regular &&
      kind != std::filesystem::file_type::not_found) {
    write(path);
    return;
  }
  std::filesystem::path temporary = path;
  temporary += ".partial";
  try {
    write(temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw file_error(path, "replace");
    }
    sync_folder(path.has_parent_path() ? path.parent_path() : std::filesystem::path("."));
  } catch (...) {
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace lockflight::train
