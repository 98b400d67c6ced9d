#include "tools/config_file.h"

#include <sstream>

#include <fmt/format.h>
#include <toml++/toml.h>

#include "lockflight/core/error.h"
#include "train/file.h"

namespace lockflight::tools {
namespace {

constexpr std::size_t kLargestFile = 1 << 20;

toml::table parse_toml(const std::filesystem::path& path) {
  const std::string text = train::read_text(path, kLargestFile);
  try {
    return toml::parse(text, path.string());
  } catch (const toml::parse_error& error) {
    throw InvalidArgument(fmt::format("{}: line {}: no TOML: {}", path.string(),
                                      error.source().begin.line, error.description()));
  }
}

// False for a table, a date and an array of anything but values.
bool write_value(std::ostream& out, const toml::node& node) {
  if (const auto* text = node.as_string()) {
    out << text->get();
    return true;
  }
  if (const auto* array = node.as_array()) {
    for (std::size_t i = 0; i < array->size(); ++i) {
      out << (i == 0 ? "" : ",");
      const toml::node& element = *array->get(i);
      if (element.is_array() || !write_value(out, element)) {
        return false;
      }
    }
    return true;
  }
  if (const auto* number = node.as_integer()) {
    out << number->get();
  } else if (const auto* real = node.as_floating_point()) {
    out << fmt::format("{}", real->get());
  } else if (const auto* truth = node.as_boolean()) {
    out << (truth->get() ? "true" : "false");
  } else {
    return false;
  }
  return true;
}

}  // namespace

std::vector<Setting> read_config(const std::filesystem::path& path) {
  const toml::table table = parse_toml(path);
  std::vector<Setting> settings;
  for (const auto& [key, node] : table) {
    std::ostringstream value;
    const unsigned line = node.source().begin.line;
    if (!write_value(value, node)) {
      throw InvalidArgument(
          fmt::format("{}: line {}: \"{}\" must be a text, a number, true, false or a list of them",
                      path.string(), line, key.str()));
    }
    settings.push_back({.key = std::string(key.str()), .value = value.str(), .line = line});
  }
  return settings;
}

}  // namespace lockflight::tools
