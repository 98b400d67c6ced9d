// Tests that try less in a build with a sanitizer, which makes a program ten times slower.

#pragma once

namespace lockflight::test {

/// From CMake, because the compilers have different macros for it.
inline constexpr bool kSanitized = LOCKFLIGHT_SANITIZED;

}  // namespace lockflight::test
