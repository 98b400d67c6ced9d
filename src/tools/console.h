// Where a command's output goes: a terminal or not, and how wide it is.

#pragma once

#include <iosfwd>
#include <string_view>

namespace lockflight::tools {

struct Console {
  std::ostream& out;
  bool terminal = false;
  int columns = 100;    ///< to fit drawings into
  bool colour = false;  ///< a terminal that has colours, and NO_COLOR is not set

  /// Writes and flushes.  Throws FileError if the output takes no more: a full disk, say.
  void print(std::string_view text) const;
  /// Throws FileError if anything written before is lost.
  void flush() const;
};

/// Standard output, as it is now.
Console standard_output();

}  // namespace lockflight::tools
