// What pictures have in common: numbers, text and ticks.

#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace lockflight::svg {

/// At most two digits behind the point and no superfluous zero, whatever the locale: "12.5", "3".
std::string number(double value);

/// The text for an element or an attribute of XML.  What XML cannot hold, a control character or a
/// byte that is no UTF-8, becomes U+FFFD.
std::string escaped(std::string_view text);

/// Round numbers that cover [low, high]: 1, 2 or 5 times a power of ten apart, about `count` of
/// them, the first at or below `low`, the last at or above `high`.
std::vector<double> round_ticks(double low, double high, int count);

}  // namespace lockflight::svg
