#include "core/svg.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include <fmt/format.h>

namespace lockflight::svg {
namespace {

constexpr std::string_view kReplacement = "\xef\xbf\xbd";  // U+FFFD

// The bytes of the character of UTF-8 at the text's begin; 0 if there is none that XML can hold.
std::size_t character(std::string_view text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned first = byte(0);
  if (first < 0x80) {
    return first >= 0x20 || first == '\t' || first == '\n' || first == '\r' ? 1 : 0;
  }
  const std::size_t length = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if (first < 0xc2 || first > 0xf4 || text.size() < length) {
    return 0;
  }
  unsigned code = first & (0x7fU >> length);
  for (std::size_t i = 1; i < length; ++i) {
    if ((byte(i) & 0xc0U) != 0x80) {
      return 0;
    }
    code = code << 6U | (byte(i) & 0x3fU);
  }
  const bool too_long = (length == 3 && code < 0x800) || (length == 4 && code < 0x10000);
  const bool no_character = (code >= 0xd800 && code < 0xe000) || code == 0xfffe || code == 0xffff;
  return too_long || no_character || code > 0x10ffff ? 0 : length;
}

}  // namespace

std::string number(double value) {
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') {
    text.pop_back();
  }
  return text == "-0" ? "0" : text;
}

std::string escaped(std::string_view text) {
  std::string out;
  while (!text.empty()) {
    const std::size_t length = character(text);
    switch (text.front()) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += length == 0 ? kReplacement : text.substr(0, length);
    }
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
  return out;
}

std::vector<double> round_ticks(double low, double high, int count) {
  const double least = std::max({std::abs(low), std::abs(high), 1e-300}) * 1e-9;
  const double range = std::max(high - low, least);
  const double wanted = range / std::max(count, 1);
  const double power = std::pow(10.0, std::floor(std::log10(wanted)));
  double distance = 10 * power;
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (factor * power >= wanted * (1 - 1e-9)) {
      distance = factor * power;
      break;
    }
  }
  // Multiples of the distance, with room for one that misses its place by a rounding.
  const double first = std::floor(low / distance + 1e-9);
  const double last = std::max(std::ceil(high / distance - 1e-9), first + 1);
  std::vector<double> ticks;
  const auto distances = static_cast<int>(last - first);
  for (int i = 0; i <= distances; ++i) {
    ticks.push_back((first + i) * distance);
  }
  return ticks;
}

}  // namespace lockflight::svg
