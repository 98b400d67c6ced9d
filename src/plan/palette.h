// The colours of a timetable.
//
// Chosen by luminance, so that they stay apart in print, on a grey screen and for every kind of
// colour blindness: F is darkest, then B, I and W, on white.  Each kind has a range of shades for
// the stages of a rank, and white or black writing that can be read on it.

#pragma once

#include <cstdint>
#include <string>

#include "lockflight/schedule/action.h"

namespace lockflight::plan {

struct Colour {
  std::uint8_t red = 0;
  std::uint8_t green = 0;
  std::uint8_t blue = 0;

  friend auto operator<=>(const Colour&, const Colour&) = default;
};

inline constexpr Colour kWhite = {255, 255, 255};
inline constexpr Colour kBlack = {0, 0, 0};

/// Of F, I, W or B, in the stage with number `shade` of `shades` that a rank holds at most: the
/// darkest for the first, the lightest for the last.
Colour colour_of(schedule::ActionKind kind, int shade, int shades);

/// White or black, whichever has more contrast.
Colour writing_on(Colour background);

/// Of light, linear: 0 for black, 1 for white.
/// Source: W3C, Web Content Accessibility Guidelines 2.1, "relative luminance".
double relative_luminance(Colour colour);

/// "#0a7f3c"
std::string to_string(Colour colour);

}  // namespace lockflight::plan
