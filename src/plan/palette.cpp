#include "plan/palette.h"

#include <cmath>

#include <fmt/format.h>

namespace lockflight::plan {
namespace {

using schedule::ActionKind;

struct Shades {
  Colour first;
  Colour last;
};

// In luminance, as any eye sees it, each range begins at least 1.35 times lighter than the one
// before it ends; muted, because dichromats see strong blue and cyan lighter than others do.
Shades shades_of(ActionKind kind) {
  switch (kind) {
    case ActionKind::forward:
      return {.first = {0x12, 0x2a, 0x59}, .last = {0x23, 0x3c, 0x6d}};
    case ActionKind::input_gradient:
      return {.first = {0x2f, 0x90, 0x9f}, .last = {0x43, 0xa1, 0xb0}};
    case ActionKind::weight_gradient:
      return {.first = {0xdc, 0xbe, 0x45}, .last = {0xf1, 0xd3, 0x5d}};
    default:
      return {.first = {0x00, 0x6b, 0x2e}, .last = {0x1d, 0x7d, 0x3e}};
  }
}

double linear(std::uint8_t channel) {
  const double value = channel / 255.0;
  return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
}

}  // namespace

Colour colour_of(ActionKind kind, int shade, int shades) {
  const auto [first, last] = shades_of(kind);
  const double share = shades > 1 ? static_cast<double>(shade) / (shades - 1) : 0;
  const auto mix = [share](std::uint8_t a, std::uint8_t b) {
    return static_cast<std::uint8_t>(std::lround(a + share * (b - a)));
  };
  return {.red = mix(first.red, last.red),
          .green = mix(first.green, last.green),
          .blue = mix(first.blue, last.blue)};
}

Colour writing_on(Colour background) {
  // Where (1 + 0.05) / (Y + 0.05) and (Y + 0.05) / 0.05 are equal.
  return relative_luminance(background) < 0.179 ? kWhite : kBlack;
}

double relative_luminance(Colour colour) {
  return 0.2126 * linear(colour.red) + 0.7152 * linear(colour.green) + 0.0722 * linear(colour.blue);
}

std::string to_string(Colour colour) {
  return fmt::format("#{:02x}{:02x}{:02x}", colour.red, colour.green, colour.blue);
}

}  // namespace lockflight::plan
