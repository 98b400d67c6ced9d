// Tensors with names in a file: the safetensors format.
//
//   8 bytes             N, the length of the header, lower bytes first
//   N bytes             JSON: {"NAME": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
//                       …, "__metadata__": {"KEY": "VALUE", …}}, padded with spaces
//   the rest            the tensors' bytes, without gaps; offsets count from here
//
// Source: github.com/huggingface/safetensors, README.md, "Format".

#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lockflight/core/host_tensor.h"
#include "lockflight/core/tensor_spec.h"
#include "lockflight/train/mapped_file.h"

namespace lockflight::train {

/// Free texts in the header.
using Metadata = std::map<std::string, std::string>;

/// What a file holds, to find out later whether it still does.
struct FileDigest {
  std::uint64_t bytes = 0;
  std::uint64_t xxh64 = 0;

  friend bool operator==(const FileDigest&, const FileDigest&) = default;
};

FileDigest digest_of(std::span<const std::byte> bytes);

/// A tensor in a file: where its bytes are.
struct SafetensorsEntry {
  std::string name;
  TensorSpec spec;
  std::uint64_t begin = 0;  ///< of its bytes after the header
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  ///< in the order of their bytes
  Metadata metadata;
  std::uint64_t data_begin = 0;  ///< where the bytes after the header start
};

/// Reads the header in a whole file's bytes.  Throws DataError, with `name` in front, unless every
/// rule of the format holds: every tensor inside the file, no gaps, no overlaps, nothing left over.
/// Element types are F32, BF16, F64 and I32.
SafetensorsHeader parse_safetensors(std::span<const std::byte> file, std::string_view name);

/// A file that is read.  Mapped into memory: see MappedFile.
class SafetensorsFile {
 public:
  /// Throws FileError and DataError as MappedFile and parse_safetensors do.
  explicit SafetensorsFile(const std::filesystem::path& path);

  const std::vector<SafetensorsEntry>& entries() const { return header_.entries; }
  const Metadata& metadata() const { return header_.metadata; }
  /// nullptr if there is none of that name.
  const SafetensorsEntry* find(std::string_view name) const;
  /// The elements, which may lie at any address.
  std::span<const std::byte> bytes(const SafetensorsEntry& entry) const;
  HostTensor read(const SafetensorsEntry& entry) const;
  /// Of the whole file.
  FileDigest digest() const { return digest_of(file_.bytes()); }

 private:
  MappedFile file_;
  SafetensorsHeader header_;
};

}  // namespace lockflight::train
