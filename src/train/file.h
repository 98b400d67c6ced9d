// Files that are written: every failure is a FileError with path and reason.

#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "lockflight/core/error.h"

namespace lockflight::train {

/// "PATH: cannot DO: REASON", the reason being that of errno.
FileError file_error(const std::filesystem::path& path, std::string_view what);

/// A file that is written from its start to its end, or continued at its end.  Moves.
class OutputFile {
 public:
  enum class Open { replace, append };

  /// Throws FileError if the file cannot be opened.
  explicit OutputFile(std::filesystem::path path, Open mode = Open::replace);
  /// Closes and hides failures: call close() where they matter.
  ~OutputFile();
  OutputFile(OutputFile&& other) noexcept;
  OutputFile& operator=(OutputFile&&) = delete;

  const std::filesystem::path& path() const { return path_; }

  /// Hands the bytes to the system.  Throws FileError.
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }

  /// Waits until the bytes are on the disk.  Throws FileError.
  void sync();
  /// Throws FileError.
  void close();

 private:
  std::filesystem::path path_;
  int descriptor_ = -1;
};

/// Waits until a folder's entries are on the disk.  Throws FileError.
void sync_folder(const std::filesystem::path& folder);

/// The whole file.  Throws FileError if it cannot be read or has more than `limit` bytes.
std::string read_text(const std::filesystem::path& path, std::size_t limit);

/// Writes a file under a temporary name beside `path`, syncs it and renames it.  On failure the old
/// file stays and the temporary one goes.  What is no regular file (/dev/stdout, a pipe) is written
/// and not replaced.  Throws FileError.
void replace_file(const std::filesystem::path& path, std::string_view text);

}  // namespace lockflight::train
