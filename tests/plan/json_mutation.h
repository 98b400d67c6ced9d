// Text that is a little wrong.

#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "lockflight/core/random.h"

namespace lockflight::plan {

/// `text` after one to three random edits: a byte replaced, a stretch removed or doubled, a digit
/// or a sign put in, the end cut off.
inline std::string mutated(std::string text, std::uint64_t seed) {
  Random random({.seed = seed});
  const auto below = [&](std::size_t bound) {
    return static_cast<std::size_t>(random.next_below(std::max<std::uint64_t>(1, bound)));
  };
  for (std::size_t edits = 1 + below(3); edits > 0; --edits) {
    const std::size_t at = below(text.size());
    const std::size_t count = std::min(text.size() - at, 1 + below(20));
    switch (below(5)) {
      case 0:
        text.replace(at, std::min<std::size_t>(1, count), 1, static_cast<char>(below(256)));
        break;
      case 1:
        text.erase(at, count);
        break;
      case 2:
        text.insert(at, text.substr(at, count));
        break;
      case 3:
        text.insert(at, 1, "0123456789-.eE{}[]\",:"[below(21)]);
        break;
      default:
        if (below(10) == 0) {
          text.resize(at);
        }
    }
  }
  return text;
}

}  // namespace lockflight::plan
