#include "tools/bytes.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include <fmt/format.h>

#include "lockflight/core/error.h"

namespace lockflight::tools {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 10> kUnits = {{
    {"", 1},
    {"B", 1},
    {"KiB", 0x1p10},
    {"MiB", 0x1p20},
    {"GiB", 0x1p30},
    {"TiB", 0x1p40},
    {"kB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
}};
constexpr double kMostBytes = 0x1p60;

}  // namespace

std::size_t parse_bytes(std::string_view option, const std::string& text) {
  if (text.empty()) {
    return 0;
  }
  double number = 0;
  const char* const end = text.data() + text.size();
  auto [unit, failure] = std::from_chars(text.data(), end, number);
  while (unit != end && *unit == ' ') {
    ++unit;
  }
  for (const auto& [name, factor] : kUnits) {
    const double bytes = std::floor(number * factor);
    if (failure == std::errc() && std::string_view(unit, end) == name && bytes >= 1 &&
        bytes <= kMostBytes) {
      return static_cast<std::size_t>(bytes);
    }
  }
  throw InvalidArgument(fmt::format(
      "{} is \"{}\"; it must be a size of memory: 80GiB, 512MiB, 24GB, or bytes", option, text));
}

}  // namespace lockflight::tools
