// Writes files in the safetensors format: see safetensors.h.

#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "lockflight/core/tensor_spec.h"
#include "lockflight/train/safetensors.h"

namespace lockflight::train {

struct NamedSpec {
  std::string name;
  TensorSpec spec;
};

/// Writes a file tensor by tensor, so that no more than one need be in host memory.
class SafetensorsWriter {
 public:
  /// Writes the header.  Throws FileError if the file cannot be written; InvalidArgument if a name
  /// comes twice, is "__metadata__" or is no UTF-8.
  SafetensorsWriter(const std::filesystem::path& path, std::vector<NamedSpec> tensors,
                    const Metadata& metadata = {});
  ~SafetensorsWriter();

  /// The next tensor's elements, in the order given to the constructor.  Throws FileError, or
  /// InvalidArgument if the size is another than that tensor's or none is left.
  void write(std::span<const std::byte> elements);

  /// Waits until the file is on the disk and closes it.  Throws FileError, or InvalidArgument if a
  /// tensor is missing.
  FileDigest finish();

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace lockflight::train
