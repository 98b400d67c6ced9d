#include "train/manifest.h"

#include <cstddef>
#include <exception>
#include <span>
#include <string_view>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "lockflight/core/error.h"
#include "train/file.h"

namespace lockflight::train {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kVersion = 1;
constexpr const char* kHashKey = "manifest_xxh64";
constexpr std::size_t kMostBytes = 16 << 20;

std::string hash_of(const Json& json) {
  const std::string text = json.dump(2);
  return hash_text(digest_of(std::as_bytes(std::span(text))).xxh64);
}

Json parse_argument(const std::string& text, std::string_view what) {
  try {
    return Json::parse(text);
  } catch (const Json::exception& error) {
    throw InvalidArgument(
        fmt::format("checkpoint: the {} to save is no JSON: {}", what, error.what()));
  }
}

Json digest_json(const FileDigest& digest) {
  return {{"bytes", digest.bytes}, {"xxh64", hash_text(digest.xxh64)}};
}

FileDigest read_digest(const Json& json) {
  const auto text = json.at("xxh64").get<std::string>();
  return {.bytes = json.at("bytes").get<std::uint64_t>(), .xxh64 = std::stoull(text, nullptr, 16)};
}

}  // namespace

std::string hash_text(std::uint64_t hash) { return fmt::format("{:016x}", hash); }

std::string manifest_text(const Manifest& manifest) {
  const CheckpointInfo& info = manifest.info;
  Json json = {{"format", kCheckpointFormat},
               {"version", kVersion},
               {"step", info.step},
               {"seed", info.seed},
               {"model", parse_argument(info.model, "configuration of the model")},
               {"training", parse_argument(info.training, "state of the training")},
               {"optimizer",
                {{"name", info.optimizer},
                 {"updates", info.optimizer_updates},
                 {"options", Json::parse(info.optimizer_options)}}},
               {"files",
                {{kModelFile, digest_json(manifest.model)},
                 {kOptimizerFile, digest_json(manifest.optimizer)}}}};
  json[kHashKey] = hash_of(json);
  return json.dump(2) + "\n";
}

Manifest read_manifest(const std::filesystem::path& path) {
  const std::string text = read_text(path, kMostBytes);
  try {
    Json json = Json::parse(text);
    if (json.at("format") != kCheckpointFormat) {
      throw DataError(fmt::format("{}: is no manifest of a checkpoint", path.string()));
    }
    if (json.at("version") != kVersion) {
      throw DataError(fmt::format("{}: has version {}; this program reads version {}",
                                  path.string(), json.at("version").dump(), kVersion));
    }
    const Json hash = json.at(kHashKey);
    json.erase(kHashKey);
    if (hash != hash_of(json)) {
      throw DataError(
          fmt::format("{}: was changed after it was written (its hash is {}, it says {}); take "
                      "another checkpoint",
                      path.string(), hash_of(json), hash.dump()));
    }
    const Json& optimizer = json.at("optimizer");
    return {.info = {.step = json.at("step").get<std::uint32_t>(),
                     .seed = json.at("seed").get<std::uint64_t>(),
                     .model = json.at("model").dump(),
                     .training = json.at("training").dump(),
                     .optimizer = optimizer.at("name").get<std::string>(),
                     .optimizer_options = optimizer.at("options").dump(),
                     .optimizer_updates = optimizer.at("updates").get<std::int64_t>()},
            .model = read_digest(json.at("files").at(kModelFile)),
            .optimizer = read_digest(json.at("files").at(kOptimizerFile))};
  } catch (const Error&) {
    throw;
  } catch (const std::exception& error) {  // of the JSON library, or of a number in it
    throw DataError(
        fmt::format("{}: is no whole manifest of a checkpoint: {}", path.string(), error.what()));
  }
}

}  // namespace lockflight::train
