#include "lockflight/train/checkpoint.h"

#include <algorithm>
#include <functional>
#include <optional>
#include <set>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "lockflight/core/error.h"
#include "lockflight/train/safetensors.h"
#include "lockflight/train/safetensors_writer.h"
#include "train/file.h"
#include "train/manifest.h"

namespace lockflight::train {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLatest = "latest";
constexpr const char* kPartial = ".partial";

// ---- where checkpoints are ----------------------------------------------------------------------

void check_result(const std::error_code& error, const fs::path& path, std::string_view what) {
  if (error) {
    throw FileError(fmt::format("{}: cannot {}: {}", path.string(), what, error.message()));
  }
}

// The name in `latest`; none if there is no such file.
std::optional<std::string> latest_name(const fs::path& folder) {
  std::error_code ignored;
  if (!fs::exists(folder / kLatest, ignored)) {
    return std::nullopt;
  }
  std::string name = read_text(folder / kLatest, 4096);
  name.erase(std::min(name.find('\n'), name.size()));
  if (!name.starts_with("step-") || name.find('/') != std::string::npos) {
    throw DataError(fmt::format(
        "{}: names '{}', which is no checkpoint beside it; write the name of one into it",
        (folder / kLatest).string(), name));
  }
  return name;
}

// The same; none if the file is damaged.
std::optional<std::string> latest_if_whole(const fs::path& folder) {
  try {
    return latest_name(folder);
  } catch (const Error&) {
    return std::nullopt;
  }
}

// The folder with the manifest.
fs::path find_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  if (fs::exists(folder / kManifestFile, ignored)) {
    return folder;
  }
  const auto name = latest_name(folder);
  if (!name) {
    throw FileError(fmt::format("{}: there is no checkpoint here (neither {} nor {})",
                                folder.string(), kLatest, kManifestFile));
  }
  return folder / *name;
}

std::string free_name(const fs::path& folder, std::uint32_t step) {
  const std::string name = fmt::format("step-{:06}", step);
  std::string free = name;
  std::error_code error;
  for (int again = 2; fs::exists(folder / free, error); ++again) {
    free = fmt::format("{}-{}", name, again);
  }
  check_result(error, folder / free, "look for the checkpoint");
  return free;
}

// What a run that was killed while saving has left.
void remove_leftovers(const fs::path& folder) {
  std::error_code error;
  std::vector<fs::path> leftovers;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with("step-") && name.ends_with(kPartial)) {
      leftovers.push_back(entry.path());
    }
  }
  check_result(error, folder, "list the folder");
  for (const fs::path& path : leftovers) {
    fs::remove_all(path, error);
  }
}

// Removes a checkpoint that was not finished, unless `latest` already names it.
void discard(const fs::path& folder, const std::string& name) {
  std::error_code ignored;
  fs::remove_all(folder / (name + kPartial), ignored);
  if (latest_if_whole(folder) != name) {
    fs::remove_all(folder / name, ignored);
  }
}

// ---- tensors ------------------------------------------------------------------------------------

// The tensors of one file and how their values are read and set.
struct TensorSet {
  std::vector<NamedSpec> tensors;
  std::vector<std::size_t> numbers;  // for the two functions
  std::function<std::vector<float>(std::size_t)> read_back;
  std::function<void(std::size_t, std::span<const float>)> write;
};

TensorSet weights_of(const Pipeline& pipeline) {
  TensorSet set;
  const auto entries = pipeline.parameters().entries();
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].tied_to < 0) {
      set.tensors.push_back({entries[i].parameter->name(), entries[i].parameter->spec()});
      set.numbers.push_back(i);
    }
  }
  set.read_back = [&pipeline](std::size_t i) { return pipeline.read_back(i); };
  return set;
}

TensorSet states_of(const Pipeline& pipeline, const Optimizer& optimizer) {
  TensorSet set;
  const auto entries = pipeline.parameters().entries();
  for (std::size_t i = 0; i < optimizer.states().size(); ++i) {
    const Optimizer::State& state = optimizer.states()[i];
    set.tensors.push_back({state.name, entries[state.entry].parameter->spec()});
    set.numbers.push_back(i);
  }
  set.read_back = [&optimizer](std::size_t i) { return optimizer.read_back(i); };
  return set;
}

FileDigest write_tensors(const fs::path& path, const TensorSet& set) {
  SafetensorsWriter writer(path, set.tensors, {{"format", kCheckpointFormat}});
  for (const std::size_t number : set.numbers) {
    const std::vector<float> values = set.read_back(number);
    writer.write(std::as_bytes(std::span(values)));
  }
  return writer.finish();
}

// A file whose hash is that of the manifest and whose tensors are those of the set.
SafetensorsFile open_tensors(const fs::path& path, const FileDigest& expected,
                             const TensorSet& set) {
  SafetensorsFile file(path);
  const FileDigest digest = file.digest();
  if (digest != expected) {
    throw DataError(fmt::format(
        "{}: is damaged: {} bytes with hash {}, the manifest says {} with {}; take another "
        "checkpoint",
        path.string(), digest.bytes, hash_text(digest.xxh64), expected.bytes,
        hash_text(expected.xxh64)));
  }
  std::set<std::string_view> known;
  for (const NamedSpec& tensor : set.tensors) {
    known.insert(tensor.name);
    const SafetensorsEntry* entry = file.find(tensor.name);
    if (entry == nullptr) {
      throw DataError(
          fmt::format("{}: has no tensor '{}', which this model needs; build the model "
                      "that was saved",
                      path.string(), tensor.name));
    }
    if (entry->spec != tensor.spec) {
      throw DataError(
          fmt::format("{}: tensor '{}' is {}, this model needs {}; build the model that "
                      "was saved",
                      path.string(), tensor.name, to_string(entry->spec), to_string(tensor.spec)));
    }
  }
  for (const SafetensorsEntry& entry : file.entries()) {
    if (!known.contains(entry.name)) {
      throw DataError(
          fmt::format("{}: has a tensor '{}', which this model does not have; build the "
                      "model that was saved",
                      path.string(), entry.name));
    }
  }
  return file;
}

void read_tensors(const SafetensorsFile& file, const TensorSet& set) {
  for (std::size_t i = 0; i < set.tensors.size(); ++i) {
    const HostTensor tensor = file.read(*file.find(set.tensors[i].name));
    set.write(set.numbers[i], tensor.as<float>());
  }
}

}  // namespace

void prepare_checkpoint_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  check_result(error, folder, "create the folder");
  fs::path probe = folder / "step-probe";
  probe += kPartial;
  OutputFile(probe).close();
  fs::remove(probe, error);
  check_result(error, probe, "remove the file");
}

fs::path save_checkpoint(const fs::path& folder, const Pipeline& pipeline,
                         const Optimizer& optimizer, const CheckpointInfo& info) {
  Manifest manifest{.info = info, .model = {}, .optimizer = {}};
  manifest.info.step = pipeline.step();
  manifest.info.optimizer = optimizer.name();
  manifest.info.optimizer_options = optimizer.options();
  manifest.info.optimizer_updates = optimizer.updates();
  manifest_text(manifest);  // refuses texts that are no JSON before anything is written

  std::error_code error;
  fs::create_directories(folder, error);
  check_result(error, folder, "create the folder");
  remove_leftovers(folder);
  const auto before = latest_if_whole(folder);
  const std::string name = free_name(folder, pipeline.step());
  const fs::path partial = folder / (name + kPartial);
  try {
    fs::create_directory(partial, error);
    check_result(error, partial, "create the folder");
    manifest.model = write_tensors(partial / kModelFile, weights_of(pipeline));
    manifest.optimizer = write_tensors(partial / kOptimizerFile, states_of(pipeline, optimizer));
    replace_file(partial / kManifestFile, manifest_text(manifest));
    fs::rename(partial, folder / name, error);
    check_result(error, folder / name, "rename the finished checkpoint");
    sync_folder(folder);
    replace_file(folder / kLatest, name + "\n");
  } catch (...) {
    discard(folder, name);
    throw;
  }
  if (before) {
    fs::remove_all(folder / *before, error);  // what cannot be removed does no harm
  }
  return folder / name;
}

bool has_checkpoint(const fs::path& folder) {
  std::error_code ignored;
  return fs::exists(folder / kLatest, ignored) || fs::exists(folder / kManifestFile, ignored);
}

CheckpointInfo read_checkpoint(const fs::path& folder) {
  return read_manifest(find_checkpoint(folder) / kManifestFile).info;
}

CheckpointInfo load_weights(const fs::path& folder, Pipeline& pipeline) {
  const fs::path checkpoint = find_checkpoint(folder);
  const Manifest manifest = read_manifest(checkpoint / kManifestFile);
  TensorSet weights = weights_of(pipeline);
  weights.write = [&](std::size_t i, auto values) { pipeline.write(i, values); };
  read_tensors(open_tensors(checkpoint / kModelFile, manifest.model, weights), weights);
  pipeline.set_step(manifest.info.step);
  return manifest.info;
}

CheckpointInfo load_checkpoint(const fs::path& folder, Pipeline& pipeline, Optimizer& optimizer) {
  const fs::path checkpoint = find_checkpoint(folder);
  const Manifest manifest = read_manifest(checkpoint / kManifestFile);
  if (manifest.info.optimizer != optimizer.name()) {
    throw DataError(fmt::format(
        "{}: was saved with the optimizer {}, this run uses {}; resume with the same one",
        checkpoint.string(), manifest.info.optimizer, optimizer.name()));
  }
  TensorSet weights = weights_of(pipeline);
  weights.write = [&](std::size_t i, auto values) { pipeline.write(i, values); };
  TensorSet states = states_of(pipeline, optimizer);
  states.write = [&](std::size_t i, auto values) { optimizer.write(i, values); };
  const SafetensorsFile model = open_tensors(checkpoint / kModelFile, manifest.model, weights);
  const SafetensorsFile state =
      open_tensors(checkpoint / kOptimizerFile, manifest.optimizer, states);
  read_tensors(model, weights);
  read_tensors(state, states);
  pipeline.set_step(manifest.info.step);
  optimizer.set_updates(manifest.info.optimizer_updates);
  return manifest.info;
}

}  // namespace lockflight::train
