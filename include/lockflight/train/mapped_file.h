// Files that are read without copying them.

#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

namespace lockflight::train {

/// A file's bytes, mapped into memory and not copied.  It must not be shortened while this lives:
/// that ends the process, as with every mapped file.  Moves.
class MappedFile {
 public:
  /// Throws FileError if the file cannot be opened or is no regular file, DataError if it is empty.
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&&) = delete;

  std::span<const std::byte> bytes() const { return bytes_; }

 private:
  std::span<const std::byte> bytes_;
};

}  // namespace lockflight::train
