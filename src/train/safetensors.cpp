#include "lockflight/train/safetensors.h"

#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <xxhash.h>

#include "lockflight/core/error.h"
#include "train/safetensors_format.h"

namespace lockflight::train {
namespace {

using ReadJson = nlohmann::json;

constexpr std::uint64_t kMaxHeaderBytes = 100'000'000;  // the format's own limit

// The checks of one header, whose messages all start with the file's name.
class HeaderReader {
 public:
  HeaderReader(std::span<const std::byte> file, std::string_view name) : file_(file), name_(name) {}

  SafetensorsHeader read() {
    const ReadJson json = parse(header_bytes());
    SafetensorsHeader header;
    header.data_begin = data_begin_;
    for (const auto& [key, value] : json.items()) {
      if (key == kMetadataKey) {
        header.metadata = metadata(value);
      } else {
        header.entries.push_back(entry(key, value));
      }
    }
    std::ranges::sort(header.entries, {}, [](const SafetensorsEntry& e) {
      return std::pair(e.begin, e.begin + e.spec.bytes());
    });
    check_layout(header.entries);
    return header;
  }

 private:
  [[noreturn]] void refuse(const std::string& reason) const {
    throw DataError(fmt::format("{}: no valid safetensors file: {}", name_, reason));
  }

  std::string_view header_bytes() {
    if (file_.size() < kLengthBytes) {
      refuse(fmt::format("{} bytes, and the length of the header alone takes 8", file_.size()));
    }
    std::uint64_t length = 0;
    for (std::size_t i = 0; i < kLengthBytes; ++i) {
      length |= std::to_integer<std::uint64_t>(file_[i]) << (8 * i);
    }
    if (length > kMaxHeaderBytes || length > file_.size() - kLengthBytes) {
      refuse(fmt::format("a header of {} bytes in a file of {}", length, file_.size()));
    }
    data_begin_ = kLengthBytes + length;
    data_bytes_ = file_.size() - data_begin_;
    return {reinterpret_cast<const char*>(file_.data()) + kLengthBytes,
            static_cast<std::size_t>(length)};
  }

  // JSON lets a key come twice and then keeps one value; here both could be meant.
  ReadJson parse(std::string_view text) const {
    std::vector<std::set<std::string>> keys;
    std::optional<std::string> twice;
    const auto watch = [&](int, ReadJson::parse_event_t event, ReadJson& value) {
      if (event == ReadJson::parse_event_t::object_start) {
        keys.emplace_back();
      } else if (event == ReadJson::parse_event_t::object_end) {
        keys.pop_back();
      } else if (event == ReadJson::parse_event_t::key &&
                 !keys.back().insert(value.get<std::string>()).second) {
        twice = value.get<std::string>();
      }
      return true;
    };
    ReadJson json;
    try {
      json = ReadJson::parse(text, watch);
    } catch (const ReadJson::exception& error) {
      refuse(fmt::format("its header is no JSON: {}", error.what()));
    }
    if (!json.is_object()) {
      refuse("its header is JSON, but no object");
    }
    if (twice) {
      refuse(fmt::format("its header has '{}' twice", *twice));
    }
    return json;
  }

  Metadata metadata(const ReadJson& json) const {
    Metadata metadata;
    if (!json.is_object()) {
      refuse("__metadata__ is no object");
    }
    for (const auto& [key, value] : json.items()) {
      if (!value.is_string()) {
        refuse(fmt::format("__metadata__ '{}' is no text", key));
      }
      metadata[key] = value.get<std::string>();
    }
    return metadata;
  }

  SafetensorsEntry entry(const std::string& name, const ReadJson& json) const {
    const auto field = [&](const char* key) -> const ReadJson& {
      if (!json.is_object() || !json.contains(key)) {
        refuse(fmt::format("tensor '{}' has no {}", name, key));
      }
      return json[key];
    };
    const DType dtype = read_dtype(name, field("dtype"));
    const Shape shape = read_shape(name, field("shape"), size_of(dtype));
    const ReadJson& offsets = field("data_offsets");
    if (!offsets.is_array() || offsets.size() != 2 || !offsets[0].is_number_unsigned() ||
        !offsets[1].is_number_unsigned()) {
      refuse(fmt::format("tensor '{}' has data_offsets {}, expected [begin, end]", name,
                         offsets.dump()));
    }
    const auto begin = offsets[0].get<std::uint64_t>();
    const auto end = offsets[1].get<std::uint64_t>();
    const TensorSpec spec{shape, dtype};
    if (begin > end || end > data_bytes_) {
      refuse(
          fmt::format("tensor '{}' lies at bytes {} to {} of {}", name, begin, end, data_bytes_));
    }
    if (end - begin != spec.bytes()) {
      refuse(fmt::format("tensor '{}' has {} bytes, but {} takes {}", name, end - begin,
                         to_string(spec), spec.bytes()));
    }
    return {.name = name, .spec = spec, .begin = begin};
  }

  DType read_dtype(const std::string& name, const ReadJson& json) const {
    const std::string text = json.is_string() ? json.get<std::string>() : json.dump();
    const auto* const type =
        std::ranges::find(kTypes, text, [](const auto& each) { return each.first; });
    if (type == kTypes.end()) {
      refuse(fmt::format("tensor '{}' has elements of type {}; F32, BF16, F64 and I32 are known",
                         name, text));
    }
    return type->second;
  }

  // Only shapes whose bytes could lie in this file, so that no later product overflows.
  Shape read_shape(const std::string& name, const ReadJson& json,
                   std::uint64_t element_bytes) const {
    std::vector<std::int64_t> extents;
    bool possible = json.is_array() && json.size() <= Shape::kMaxRank;
    std::uint64_t bytes = element_bytes;
    for (std::size_t i = 0; possible && i < json.size(); ++i) {
      possible = json[i].is_number_unsigned();
      if (possible) {
        const auto extent = json[i].get<std::uint64_t>();
        possible = extent <= data_bytes_ && !__builtin_mul_overflow(bytes, extent, &bytes);
        extents.push_back(static_cast<std::int64_t>(extent));
      }
    }
    if (!possible || bytes > data_bytes_) {
      refuse(
          fmt::format("tensor '{}' has shape {}; at most {} extents that fit into {} bytes are "
                      "possible",
                      name, json.dump(), Shape::kMaxRank, data_bytes_));
    }
    return Shape(extents);
  }

  void check_layout(const std::vector<SafetensorsEntry>& entries) const {
    std::uint64_t end = 0;
    for (const SafetensorsEntry& entry : entries) {
      if (entry.begin != end) {
        refuse(fmt::format("tensor '{}' starts at byte {} and the tensors before it end at {}",
                           entry.name, entry.begin, end));
      }
      end += entry.spec.bytes();
    }
    if (end != data_bytes_) {
      refuse(fmt::format("its tensors end at byte {} of {}", end, data_bytes_));
    }
  }

  std::span<const std::byte> file_;
  std::string_view name_;
  std::uint64_t data_begin_ = 0;
  std::uint64_t data_bytes_ = 0;
};

}  // namespace

FileDigest digest_of(std::span<const std::byte> bytes) {
  return {.bytes = bytes.size(), .xxh64 = XXH64(bytes.data(), bytes.size(), 0)};
}

SafetensorsHeader parse_safetensors(std::span<const std::byte> file, std::string_view name) {
  return HeaderReader(file, name).read();
}

SafetensorsFile::SafetensorsFile(const std::filesystem::path& path)
    : file_(path), header_(parse_safetensors(file_.bytes(), path.string())) {}

const SafetensorsEntry* SafetensorsFile::find(std::string_view name) const {
  const auto found = std::ranges::find(header_.entries, name, &SafetensorsEntry::name);
  return found == header_.entries.end() ? nullptr : &*found;
}

std::span<const std::byte> SafetensorsFile::bytes(const SafetensorsEntry& entry) const {
  return file_.bytes().subspan(header_.data_begin + entry.begin, entry.spec.bytes());
}

HostTensor SafetensorsFile::read(const SafetensorsEntry& entry) const {
  HostTensor tensor(entry.spec);
  std::ranges::copy(bytes(entry), tensor.data());
  return tensor;
}

}  // namespace lockflight::train
