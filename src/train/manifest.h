// The manifest of a checkpoint as text, with a hash of itself.

#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "lockflight/train/checkpoint.h"
#include "lockflight/train/safetensors.h"

namespace lockflight::train {

constexpr const char* kCheckpointFormat = "lockflight checkpoint";
constexpr const char* kManifestFile = "manifest.json";
constexpr const char* kModelFile = "model.safetensors";
constexpr const char* kOptimizerFile = "optimizer.safetensors";

struct Manifest {
  CheckpointInfo info;
  FileDigest model;
  FileDigest optimizer;
};

/// A hash as manifests and messages write it: 16 hexadecimal digits.
std::string hash_text(std::uint64_t hash);

/// Throws InvalidArgument if a text of the info is no JSON.
std::string manifest_text(const Manifest& manifest);

/// Throws FileError if the file cannot be read, DataError if it is no manifest, of another version,
/// or changed since it was written.
Manifest read_manifest(const std::filesystem::path& path);

}  // namespace lockflight::train
