#include "lockflight/train/safetensors_writer.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include "lockflight/core/error.h"
#include "train/file.h"
#include "train/safetensors_format.h"

namespace lockflight::train {
namespace {

using Json = nlohmann::ordered_json;

std::string_view type_name(DType dtype) {
  return std::ranges::find(kTypes, dtype, [](const auto& type) { return type.second; })->first;
}

std::string header_text(const std::vector<NamedSpec>& tensors, const Metadata& metadata) {
  Json header = Json::object();
  if (!metadata.empty()) {
    header[std::string(kMetadataKey)] = metadata;
  }
  std::uint64_t begin = 0;
  for (const NamedSpec& tensor : tensors) {
    if (tensor.name == kMetadataKey || header.contains(tensor.name)) {
      throw InvalidArgument(fmt::format(
          "safetensors: the name '{}' is taken; every tensor needs its own", tensor.name));
    }
    const auto extents = tensor.spec.shape.extents();
    const std::uint64_t end = begin + tensor.spec.bytes();
    header[tensor.name] = {{"dtype", type_name(tensor.spec.dtype)},
                           {"shape", std::vector<std::int64_t>(extents.begin(), extents.end())},
                           {"data_offsets", {begin, end}}};
    begin = end;
  }
  try {
    std::string text = header.dump();
    text.resize((text.size() + 7) / 8 * 8, ' ');
    return text;
  } catch (const Json::exception& error) {
    throw InvalidArgument(
        fmt::format("safetensors: a name or a text of the metadata is no UTF-8: {}", error.what()));
  }
}

}  // namespace

class SafetensorsWriter::Impl {
 public:
  Impl(const std::filesystem::path& path, std::vector<NamedSpec> tensors, const Metadata& metadata)
      : tensors_(std::move(tensors)), header_(header_text(tensors_, metadata)), file_(path) {
    XXH64_reset(state_.get(), 0);
    std::array<std::byte, kLengthBytes> length{};
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
      length[i] = static_cast<std::byte>(std::uint64_t{header_.size()} >> (8 * i));
    }
    put(length);
    put(std::as_bytes(std::span(header_)));
  }

  void write(std::span<const std::byte> elements) {
    if (written_ == tensors_.size()) {
      throw InvalidArgument(fmt::format(
          "safetensors: {} tensors were announced, and one more is written", tensors_.size()));
    }
    const NamedSpec& tensor = tensors_[written_];
    if (elements.size() != tensor.spec.bytes()) {
      throw InvalidArgument(fmt::format("safetensors: {} bytes for '{}', which is {} and takes {}",
                                        elements.size(), tensor.name, to_string(tensor.spec),
                                        tensor.spec.bytes()));
    }
    put(elements);
    ++written_;
  }

  FileDigest finish() {
    if (written_ != tensors_.size()) {
      throw InvalidArgument(fmt::format("safetensors: '{}' was announced and is not written",
                                        tensors_[written_].name));
    }
    file_.sync();
    file_.close();
    return {.bytes = bytes_, .xxh64 = XXH64_digest(state_.get())};
  }

 private:
  struct FreeState {
    void operator()(XXH64_state_t* state) const { XXH64_freeState(state); }
  };

  void put(std::span<const std::byte> bytes) {
    file_.write(bytes);
    XXH64_update(state_.get(), bytes.data(), bytes.size());
    bytes_ += bytes.size();
  }

  std::vector<NamedSpec> tensors_;
  std::string header_;
  OutputFile file_;
  std::unique_ptr<XXH64_state_t, FreeState> state_{XXH64_createState()};
  std::uint64_t bytes_ = 0;
  std::size_t written_ = 0;
};

SafetensorsWriter::SafetensorsWriter(const std::filesystem::path& path,
                                     std::vector<NamedSpec> tensors, const Metadata& metadata)
    : impl_(std::make_unique<Impl>(path, std::move(tensors), metadata)) {}

SafetensorsWriter::~SafetensorsWriter() = default;

void SafetensorsWriter::write(std::span<const std::byte> elements) { impl_->write(elements); }

FileDigest SafetensorsWriter::finish() { return impl_->finish(); }

}  // namespace lockflight::train
